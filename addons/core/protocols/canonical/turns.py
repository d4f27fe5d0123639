"""The items of a conversation as turns and call ids that strict upstreams accept.

A turn is a system message, a user message, or an exchange: one answer of the model and the outputs of its calls. A new
exchange begins when the model speaks after an output. Never drops an item: an output without an open call becomes user
text that names the call; a call without an output gets a placeholder.

Invariant: a turn depends only on its items and the items before it, so that an upstream finds its cached prompt again.
The blocks of a history are a prefix of the blocks of its extension, with one exception: at the end of a history, strict
APIs refuse a call without an output, although the real output may still arrive. Only there may placeholders be replaced
by outputs. They come last (`Exchange.missing`), so that no other cached block is lost. Do not put a cache breakpoint on
them while their exchange is the last.

A thread may hold call ids of several providers. Each `*_call_id` function is pure, so that a call and its output keep
the same id, and returns an id that is already legal unchanged. Source: "string too long. Expected a string with maximum
length 40" (OpenAI; agno-agi/agno#5382), "must be a-z, A-Z, 0-9, with a length of 9" (Mistral;
langchain-ai/langchain#24668), `^[a-zA-Z0-9_-]+$` (Anthropic).
"""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from addons.core.frozen import turn_value
from addons.core.protocols.canonical.conversation import (
    Assistant,
    Call,
    Item,
    Output,
    Reasoning,
    System,
    Text,
    User,
)

NO_OUTPUT = "[no output was recorded for this call]"
STRAY_OUTPUT = "[output of tool call {call_id}, which is not open at this point]"

OPENAI_MAX_LENGTH = 40
ANTHROPIC_MAX_LENGTH = 64
MISTRAL_LENGTH = 9
DIGEST_LENGTH = 12

_ALPHABET = string.digits + string.ascii_letters
_MISTRAL_ID = re.compile(r"[a-zA-Z0-9]{9}\Z")
_ILLEGAL_CHARACTER = re.compile(r"[^a-zA-Z0-9_-]")

Block = Reasoning | Assistant | Call


@turn_value(frozen=True, slots=True)
class Exchange:
    """One answer of a model and the outputs of its calls. Call ids are unique in the whole conversation."""

    blocks: tuple[Block, ...]
    """In the order of the history; text may follow a call."""
    outputs: tuple[Output, ...] = ()
    """The recorded outputs in the order of arrival; each answers one call of `blocks`."""
    missing: tuple[Output, ...] = ()
    """Placeholders for the calls without a recorded output."""

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls among the blocks."""
        return tuple([block for block in self.blocks if isinstance(block, Call)])

    @property
    def answers(self) -> tuple[Output, ...]:
        """Exactly one output for each call: the recorded ones first."""
        return self.outputs + self.missing


Turn = System | User | Exchange


def group_turns(items: Iterable[Item]) -> tuple[Turn, ...]:
    """Group items into turns. Consecutive user messages stay separate; a protocol may join them."""
    grouper = _TurnGrouper()
    for item in items:
        grouper.add(item)
    return grouper.finish()


@dataclass(slots=True)
class _TurnGrouper:
    """The finished turns and the open exchange."""

    turns: list[Turn] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    open_calls: list[tuple[str, str]] = field(default_factory=list)
    """(the client's call id, the unique id) of calls without an output, oldest first."""
    used_ids: set[str] = field(default_factory=set)

    def add(self, item: Item) -> None:
        if isinstance(item, Output):
            self._add_output(item)
        elif isinstance(item, (System, User)):
            if self.blocks:
                self._close_exchange()
            self.turns.append(item)
        else:
            self._add_block(item)

    def finish(self) -> tuple[Turn, ...]:
        self._close_exchange()
        return tuple(self.turns)

    def _add_block(self, block: Block) -> None:
        if self.outputs:
            self._close_exchange()
        if isinstance(block, Call):
            unique_id = self._unique(block.call_id)
            self.open_calls.append((block.call_id, unique_id))
            if unique_id != block.call_id:
                block = replace(block, call_id=unique_id)
        self.blocks.append(block)

    def _add_output(self, output: Output) -> None:
        for index, (call_id, unique_id) in enumerate(self.open_calls):
            if call_id == output.call_id:
                del self.open_calls[index]
                if unique_id != call_id:
                    output = replace(output, call_id=unique_id)
                self.outputs.append(output)
                return
        self._close_exchange()
        note = Text(STRAY_OUTPUT.format(call_id=output.call_id))
        self.turns.append(User((note, *output.parts)))

    def _close_exchange(self) -> None:
        if not self.blocks:
            return
        missing: tuple[Output, ...] = ()
        if self.open_calls:
            note = (Text(NO_OUTPUT),)
            missing = tuple(Output(unique_id, note) for _, unique_id in self.open_calls)
        self.turns.append(Exchange(tuple(self.blocks), tuple(self.outputs), missing))
        self.blocks.clear()
        self.outputs.clear()
        self.open_calls.clear()

    def _unique(self, call_id: str) -> str:
        """Return the id, with a number from its second use on: strict upstreams refuse repeated ids."""
        unique_id, number = call_id, 1
        while unique_id in self.used_ids:
            number += 1
            unique_id = f"{call_id}_{number}"
        self.used_ids.add(unique_id)
        return unique_id


def openai_call_id(call_id: str) -> str:
    """Return an id of at most 40 characters."""
    return call_id if len(call_id) <= OPENAI_MAX_LENGTH else _shortened(call_id, OPENAI_MAX_LENGTH)


def anthropic_call_id(call_id: str) -> str:
    """Return an id of letters, digits, `_` and `-`."""
    if call_id and len(call_id) <= ANTHROPIC_MAX_LENGTH and not _ILLEGAL_CHARACTER.search(call_id):
        return call_id
    return _shortened(call_id, ANTHROPIC_MAX_LENGTH)


def mistral_call_id(call_id: str) -> str:
    """Return an id of nine letters and digits."""
    if _MISTRAL_ID.match(call_id):
        return call_id
    number = int.from_bytes(_digest(call_id))
    characters = []
    for _ in range(MISTRAL_LENGTH):
        number, index = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[index])
    return "".join(characters)


def _shortened(call_id: str, max_length: int) -> str:
    """Return the legal characters of an id and a digest of all of it."""
    head = _ILLEGAL_CHARACTER.sub("_", call_id)[: max_length - DIGEST_LENGTH - 1]
    return f"{head}_{_digest(call_id).hex()[:DIGEST_LENGTH]}"


def _digest(call_id: str) -> bytes:
    return hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).digest()
