"""The kinds of routes. A new one joins all fault tests by a row in `ROUTES`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tests.faults.healthy import CHAT, MESSAGES, RESPONSES, HealthyAnswer


class Family(StrEnum):
    """Routes with the same outcome for every fault."""

    ACCOUNT = "ChatGPT"
    NATIVE = "native"
    TRANSLATED = "translated"
    LOCAL = "local"
    """No upstream on the network: only faults of clients and of the machine apply."""


@dataclass(frozen=True)
class RouteKind:
    """One kind of route."""

    name: str
    family: Family
    slug: str
    healthy: HealthyAnswer
    row: Mapping[str, object] | None = None
    """The row of models.json, without its address and key."""

    agent: bool = False
    """Whether cursor-agent, a child process, answers. Its faults are in `tests/boundary/test_cursor_turns.py`."""

    def __str__(self) -> str:
        return self.name

    @property
    def verbatim(self) -> bool:
        """Whether the client receives the upstream's bytes unchanged."""
        return self.family in {Family.ACCOUNT, Family.NATIVE}


KEY = "row-key-8c2f61d09b7e"
ROUTES = (
    RouteKind("chatgpt", Family.ACCOUNT, "gpt-5.5", RESPONSES),
    RouteKind(
        "chat",
        Family.TRANSLATED,
        "fault-row",
        CHAT,
        {"model": "big", "provider": "generic-chat-completion-api"},
    ),
    RouteKind(
        "messages",
        Family.TRANSLATED,
        "fault-row",
        MESSAGES,
        {"model": "big", "provider": "anthropic"},
    ),
    RouteKind(
        "native",
        Family.NATIVE,
        "fault-row",
        RESPONSES,
        {"model": "big", "provider": "openai-responses"},
    ),
    RouteKind("demo", Family.LOCAL, "shim-demo", RESPONSES),
    RouteKind("cursor", Family.LOCAL, "composer-2-5", RESPONSES, agent=True),
)
WITH_UPSTREAM = tuple(route for route in ROUTES if route.family is not Family.LOCAL)
