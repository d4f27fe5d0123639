"""Cursor's models through the `cursor-agent` CLI: the pure part, without processes and files."""
