"""What a person reads of a turn: pure renderers, bytes and plain data in, text out."""
