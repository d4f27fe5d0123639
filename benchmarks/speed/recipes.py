"""Other proxies that `--peer NAME` can run: how each is installed, and its command.

Each is installed into an environment of its own, whose programs are on PATH. Each forwards to the upstream on loopback,
with a home folder in which it finds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.speed.protocols import Protocol

_FERROGW = "strategy: {mode: fallback}\ntargets: [{virtual_key: openai}]\n"


@dataclass(frozen=True, slots=True)
class Recipe:
    """One proxy."""

    install: str
    routes: tuple[Protocol, ...]
    """The protocols of upstreams for which it takes Responses requests."""
    command: str
    """For a shell whose environment has PORT, UPSTREAM and an empty HOME."""


RECIPES: Mapping[str, Recipe] = {
    "codex-relay": Recipe(
        "pip install codex-relay==0.5.8",
        ("chat",),
        "exec codex-relay --port $PORT --upstream $UPSTREAM/v1 --api-key bench",
    ),
    "ferrogw": Recipe(
        "pip install ferrogw==1.5.10",
        ("responses",),
        f"cat > $HOME/config.yaml <<END\n{_FERROGW}END\n"
        "export GATEWAY_CONFIG=$HOME/config.yaml OPENAI_API_KEY=bench OPENAI_BASE_URL=$UPSTREAM\n"
        "export ALLOW_UNAUTHENTICATED_PROXY=true RATE_LIMIT_RPS=0\n"
        "exec ferrogw serve",
    ),
}
"""Each with the version that was measured. Other versions may need another command."""
