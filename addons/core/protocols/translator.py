"""The interface that the translator of a protocol implements, and its loader.

Never imports a translator at start-up: `load_translator` imports it at the first turn that needs it. Invariant: a plan
knows a protocol only through this interface and its `ProtocolSpec`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, cast

from addons.core.errors import Problem
from addons.core.protocols.canonical.conversation import Conversation
from addons.core.protocols.canonical.events import Event
from addons.core.upstream.protocol import ProtocolSpec
from addons.core.upstream.target import Target


class EventReader(Protocol):
    """Reads one upstream stream into canonical events. Total: no bytes make it raise. Split-invariant."""

    @property
    def awaits_end(self) -> bool:
        """Whether the answer is complete, and only usage and the end of the body may follow."""

    def feed(self, data: bytes) -> Sequence[Event]:
        """Return the events that one network read completes."""

    def finish(self) -> Sequence[Event]:
        """Return the events at the end of the body: `Failed` unless the upstream sent a reason to stop."""


class TextReader(EventReader, Protocol):
    """An event reader that knows many reads to be text without making events."""

    def read_texts(self, data: bytes) -> tuple[Sequence[str], bytes]:
        """Return the texts of the text deltas with which a read begins, if it knows them, and the rest, which `feed` has to read."""

    def first_event(self, data: bytes) -> int:
        """Return where the first event of a read ends, if it pays to look for text behind it; else 0."""


class ProtocolTranslator(Protocol):
    """The translator of one protocol. Modules implement it, not classes."""

    def write_request(self, conversation: Conversation, target: Target) -> bytes | Problem:
        """Return the body that asks for a streamed answer."""

    def reader(self, conversation: Conversation, target: Target) -> EventReader:
        """Return a reader of the streamed answer. It also takes a whole JSON answer (an upstream that ignored `stream`)."""


def load_translator(spec: ProtocolSpec) -> ProtocolTranslator:
    """Import the translator of a protocol that has one."""
    module: object = import_module(f"{__package__}.{spec.translator}")
    return cast("ProtocolTranslator", module)
