"""Keeps the requests of one turn at the server that has answered its first one.

By HTTP Codex returns the header `x-codex-turn-state` of the first answer with each later request of the same turn. Over
a WebSocket it leaves that to the connection. Source: requests of Codex 0.169 and 0.171. Invariant: a state is never sent
with another turn.
"""

from __future__ import annotations

from addons.core.headers import Headers, header

TURN_STATE = b"x-codex-turn-state"


class Affinity:
    """The state of the turn of Codex that a connection serves."""

    __slots__ = ("_state", "_turn_id")

    def __init__(self, upgrade: Headers = ()) -> None:
        self._turn_id: str | None = None
        self._state = header(upgrade, TURN_STATE)
        """At first that of the request of the connection, which comes in the middle of a turn after a lost one."""

    def begin(self, turn_id: str) -> None:
        """A request of this turn of Codex begins."""
        if self._turn_id is not None and (not turn_id or turn_id != self._turn_id):
            self._state = None
        self._turn_id = turn_id

    def joined(self, own: Headers) -> Headers:
        """Return the headers that a request with these has by HTTP. A state that it names itself is the only one."""
        if self._state is None or any(name == TURN_STATE for name, _ in own):
            return own
        return (*own, (TURN_STATE, self._state))

    def note(self, answer: Headers) -> None:
        """Note the head of an answer. The first one of a turn counts."""
        if self._state is None and self._turn_id:
            self._state = header(answer, TURN_STATE)
