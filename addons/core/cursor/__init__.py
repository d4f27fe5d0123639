"""Cursor's models through the `cursor-agent` CLI: everything about it that is pure."""
