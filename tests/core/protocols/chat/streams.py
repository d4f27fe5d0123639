"""A chat completions upstream for tests: its target, and the events of its answers."""

from __future__ import annotations

from typing import Any

from addons.core.protocols.canonical.conversation import Conversation
from addons.core.protocols.canonical.events import Event, Failed
from addons.core.protocols.chat.reader import ChatReader
from addons.core.secrets import Origin
from addons.core.upstream.profile import Profile
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target

EMPTY = Conversation(())


def target(profile: Profile | None = None, **fields: Any) -> Target:
    return Target(
        **{
            "slug": "glm",
            "display_name": "GLM",
            "provider": "zai",
            "model": "glm-5",
            "protocol": Protocol.CHAT,
            "origin": Origin("https", "up.example", 443),
            "path": "/v1/chat/completions",
            "profile": profile or Profile(),
            **fields,
        }
    )


def read(
    *reads: bytes, conversation: Conversation = EMPTY, profile: Profile | None = None, **limits: int
) -> list[Event]:
    """Return all events of an answer that arrives in these reads."""
    reader = ChatReader(conversation, target(profile), **limits)
    events = [event for data in reads for event in reader.feed(data)]
    return events + reader.finish()


def failure(*reads: bytes, **options: Any) -> str:
    """Return the code of the failure that ends an answer."""
    last = read(*reads, **options)[-1]
    assert isinstance(last, Failed)
    return last.problem.code
