"""Pure renderers of a turn: bytes and plain data in, readable text out."""

__all__ = ["turn", "turn_data"]
