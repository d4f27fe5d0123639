"""A chat completions upstream for tests: its target, and a reader run over reads."""

from __future__ import annotations

from typing import Any

from addons.core.credential import Origin
from addons.core.target import Profile, Target
from addons.core.translate.conversation import Conversation, Dialects
from addons.core.translate.events import Event
from addons.core.wire.chat import ChatReader

EMPTY = Conversation(())


def target(profile: Profile | None = None, **fields: Any) -> Target:
    return Target(
        **{
            "slug": "glm",
            "display_name": "GLM",
            "provider": "zai",
            "model": "glm-5",
            "dialect": Dialects.CHAT,
            "origin": Origin("https", "up.example", 443),
            "path": "/v1/chat/completions",
            "profile": profile or Profile(),
            **fields,
        }
    )


def read(
    *reads: bytes, conversation: Conversation = EMPTY, profile: Profile | None = None, **limits: int
) -> list[Event]:
    """All events of an answer that came in these reads."""
    reader = ChatReader(conversation, target(profile), **limits)
    events = [event for data in reads for event in reader.feed(data)]
    return events + reader.finish()
