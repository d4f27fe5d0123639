"""The items of a conversation as turns that a strict upstream accepts: an answer, then the outputs of its calls.

Pure; never reads a body and never writes one. A new exchange begins with what a model says after an output, so an
exchange is what one answer was. What is found out of place is told, not lost: an output that answers no open call
becomes user text that names the call, a call that nobody answered gets a stand-in.

Invariant: what stands for an item depends on that item and those before it. So the blocks of h are a prefix of the
blocks of h+x, but for one thing that cannot be had: at the very end of a history, strict APIs refuse a call without
an output, and its real output may still come. There, and there alone, stand-ins may be replaced by outputs. They are
last (`Exchange.missing`), so no cached block but themselves is lost, and nothing that was recorded is held back: a
model that does not see its call makes it again. Do not put a cache marker on them while the exchange is the last.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from addons.core.translate.conversation import (
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

Block = Reasoning | Assistant | Call


@dataclass(frozen=True, slots=True)
class Exchange:
    """One answer of a model and what its calls gave back. Call ids are unique in the whole conversation."""

    blocks: tuple[Block, ...]
    """In the order of the history; text may stand after a call."""
    outputs: tuple[Output, ...] = ()
    """As they were recorded, in the order of arrival; each answers one call of `blocks`."""
    missing: tuple[Output, ...] = ()
    """Stand-ins for the calls that `outputs` leaves open. With them every call is answered exactly once."""

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls among the blocks."""
        return tuple(block for block in self.blocks if isinstance(block, Call))

    @property
    def answers(self) -> tuple[Output, ...]:
        """One output for each call: the recorded ones first."""
        return self.outputs + self.missing


Turn = System | User | Exchange


def turns_of(items: Iterable[Item]) -> tuple[Turn, ...]:
    """Group items into turns. Consecutive user messages stay apart; a dialect may join them."""
    grouping = _Grouping()
    for item in items:
        grouping.add(item)
    return grouping.end()


@dataclass(slots=True)
class _Grouping:
    """The turns so far, and the exchange that is still open."""

    turns: list[Turn] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    open_calls: list[tuple[str, str]] = field(default_factory=list)
    """(the client's call id, ours) of calls without an output, oldest first."""
    used: set[str] = field(default_factory=set)

    def add(self, item: Item) -> None:
        if isinstance(item, Output):
            self._answer(item)
        elif isinstance(item, System | User):
            self._close()
            self.turns.append(item)
        else:
            self._say(item)

    def end(self) -> tuple[Turn, ...]:
        self._close()
        return tuple(self.turns)

    def _say(self, block: Block) -> None:
        if self.outputs:
            self._close()
        if isinstance(block, Call):
            own = self._unique(block.call_id)
            self.open_calls.append((block.call_id, own))
            block = replace(block, call_id=own)
        self.blocks.append(block)

    def _answer(self, output: Output) -> None:
        for place, (call_id, own) in enumerate(self.open_calls):
            if call_id == output.call_id:
                del self.open_calls[place]
                self.outputs.append(replace(output, call_id=own))
                return
        self._close()
        note = Text(STRAY_OUTPUT.format(call_id=output.call_id))
        self.turns.append(User((note, *output.parts)))

    def _close(self) -> None:
        if not self.blocks:
            return
        missing = tuple(Output(own, (Text(NO_OUTPUT),)) for _, own in self.open_calls)
        self.turns.append(Exchange(tuple(self.blocks), tuple(self.outputs), missing))
        self.blocks.clear()
        self.outputs.clear()
        self.open_calls.clear()

    def _unique(self, call_id: str) -> str:
        """The id itself the first time; strict upstreams refuse one that comes twice."""
        own, number = call_id, 1
        while own in self.used:
            number += 1
            own = f"{call_id}_{number}"
        self.used.add(own)
        return own
