"""Constants and phrases that several commands share. Imports nothing."""

from __future__ import annotations

DEFAULT_PORT = 8765
PROVIDER_ID = "codex_shim"
"""The provider's key in Codex's config. Never `openai`: Codex sends that one past us (Codex 0.169)."""
NOTHING_LIVE = "Log in with `codex login`; `codex-shim doctor` tells what else is missing."


def serve_command(port: int) -> str:
    """The command that starts the shim on a port."""
    return "codex-shim serve" + ("" if port == DEFAULT_PORT else f" --port {port}")


def models(count: int) -> str:
    """A number of models, in words."""
    return f"{count} model" if count == 1 else f"{count} models"
