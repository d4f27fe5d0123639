"""The installed Codex, its folder and the account's models."""
