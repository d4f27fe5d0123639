"""The command `privacy`."""
