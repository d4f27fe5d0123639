"""The installed cursor-agent and its child processes."""
