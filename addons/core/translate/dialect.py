"""What a dialect has to offer, so that a plan needs no other knowledge of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from addons.core.errors import Problem
from addons.core.target import Target
from addons.core.translate.conversation import Conversation
from addons.core.translate.events import Event


class EventReader(Protocol):
    """One upstream stream → canonical events. Total: no bytes make it raise; split-invariant."""

    def feed(self, data: bytes) -> Sequence[Event]:
        """What one network read means."""

    def finish(self) -> Sequence[Event]:
        """The upstream ended its body: what that means, `Failed` unless the upstream had said why it stopped."""


class Dialect(Protocol):
    """One protocol. Modules, not classes, implement it (`chat.py`, `messages.py`)."""

    def write_request(self, conversation: Conversation, target: Target) -> bytes | Problem:
        """The body for a streamed answer."""

    def reader(self, conversation: Conversation, target: Target) -> EventReader:
        """A reader of the streamed answer; also takes a whole JSON answer (an upstream that ignored `stream`)."""
