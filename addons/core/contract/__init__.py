"""What a version of Codex sends and reads, as structure: its contract, and the differences between two."""
