"""The command lines that messages tell the user to type. Imports nothing."""

from __future__ import annotations

DEFAULT_PORT = 8765
LOOPBACK = "127.0.0.1"
"""Where the shim listens unless it is told otherwise."""


def command(name: str, port: int) -> str:
    """Return the `codex-shim` command line for a port; the default port is left out."""
    return f"codex-shim {name}" + ("" if port == DEFAULT_PORT else f" --port {port}")
