"""Every kind of route that a turn can take, in one table. A new one joins the whole matrix by a row here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tests.faults.speech import CHAT, MESSAGES, RESPONSES, Speech


class Family(StrEnum):
    """Routes that answer a fault alike."""

    ACCOUNT = "ChatGPT"
    NATIVE = "native"
    TRANSLATED = "translated"
    LOCAL = "local"
    """No upstream on the network: it meets the faults of clients and of this machine alone."""


@dataclass(frozen=True)
class RouteKind:
    """One kind of route."""

    name: str
    family: Family
    slug: str
    speech: Speech
    row: Mapping[str, object] | None = None
    """The row of models.json, without its address and key."""

    agent: bool = False
    """Whether a child process, cursor-agent, answers. Its own faults: `tests/proxy/test_cursor_turns.py`."""

    def __str__(self) -> str:
        return self.name

    @property
    def verbatim(self) -> bool:
        """Whether an upstream's bytes reach the client as they are."""
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
