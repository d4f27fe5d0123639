"""The data plane of codex-shim: everything on the path of a request."""

__all__ = ["core", "hooks", "views"]
