"""The formats that clients and upstreams use, one package per protocol."""

__all__ = ["sse", "translator"]
