"""Chooses the recorded turn that answers a request.

Strict: a turn with the same path and the same comparable body; of equal ones that which was served least often, the
earliest first, so that a retry gets the next one and a second run begins anew. Loose: the turn at the same position of a
thread with the same path and agent; each new thread of the client takes the recorded thread that was used least often.

Never does: read a clock, a file or the network. Invariant: a request without a turn gets a `Miss` that says why.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property

from addons.core.cassette.comparison import Difference, comparable, first_difference
from addons.core.cassette.format import Cassette, RecordedTurn
from addons.core.turn import shim_path


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as far as the choice needs it."""

    path: str
    thread: str
    agent: str
    body: str


@dataclass(frozen=True, slots=True)
class Miss:
    """Why no recorded turn answers a request."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Candidate:
    number: int
    turn: RecordedTurn
    path: str
    body: object


_Place = tuple[str, str, str]
"""Thread, path and agent."""


@dataclass
class Player:
    """Serves one cassette. Keeps which of its turns were served."""

    cassette: Cassette
    name: str
    """The name of the file, for messages."""
    is_loose: bool = False
    _served: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    _threads: dict[_Place, _Place] = field(default_factory=dict)
    _positions: dict[_Place, int] = field(default_factory=lambda: defaultdict(int))
    _uses: dict[_Place, int] = field(default_factory=lambda: defaultdict(int))

    @cached_property
    def _candidates(self) -> tuple[_Candidate, ...]:
        return tuple(
            _Candidate(
                number,
                turn,
                shim_path(turn.request.path),
                None if self.is_loose else comparable(turn.request.body),
            )
            for number, turn in enumerate(self.cassette.turns, 1)
        )

    def take(self, asked: Asked) -> RecordedTurn | Miss:
        """Return the turn that answers a request."""
        path = shim_path(asked.path)
        candidates = [one for one in self._candidates if one.path == path]
        if not candidates:
            return Miss(f"it was recorded without a request to {path}")
        return (
            self._by_place(asked, candidates) if self.is_loose else self._equal(asked, candidates)
        )

    def _equal(self, asked: Asked, candidates: list[_Candidate]) -> RecordedTurn | Miss:
        sent = comparable(asked.body)
        found = [(one, first_difference(one.body, sent)) for one in candidates]
        equal = [one for one, difference in found if difference is None]
        if equal:
            chosen = min(equal, key=lambda one: (self._served[one.number], one.number))
            self._served[chosen.number] += 1
            return chosen.turn
        nearest, difference = max(found, key=lambda pair: _depth(pair[1]))
        return Miss(f"the nearest one is turn {nearest.number}, which differs {difference}")

    def _by_place(self, asked: Asked, candidates: list[_Candidate]) -> RecordedTurn | Miss:
        path, agent = candidates[0].path, asked.agent
        place = (asked.thread, path, agent)
        recorded: dict[_Place, list[_Candidate]] = defaultdict(list)
        for one in candidates:
            if one.turn.request.agent == agent:
                recorded[one.turn.request.thread, path, agent].append(one)
        if not recorded:
            return Miss(f"it has no turn of {agent or 'this kind'} for {path}")
        if place not in self._threads:
            self._threads[place] = chosen = min(recorded, key=lambda one: self._uses[one])
            self._uses[chosen] += 1
        turns, position = recorded[self._threads[place]], self._positions[place]
        if position >= len(turns):
            return Miss(f"its thread has {len(turns)} turns, and this is turn {position + 1}")
        self._positions[place] += 1
        return turns[position].turn


def _depth(difference: Difference | None) -> tuple[int, ...]:
    return difference.depth if difference else ()
