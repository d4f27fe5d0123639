"""What is kept of a turn once it has ended: its messages and the plain data beside its flow; and of the last few turns.

Never does: hold a connection, write to disk, give a turn's text away. Invariant: of the turns that are remembered only
masked structure leaves, and together they hold no more than `MOST_BYTES`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import parse_qs

import orjson
from mitmproxy import http

from addons.core.errors import JSON_HEADERS, Problem
from addons.core.front import AnswerPlan, shim_path
from addons.core.turn import ClientRequest, Fault, Head, Plan, Sink, Step, Synthesize
from addons.views.kept import KEY, KeptTurn, kept_bytes, plain_body
from addons.views.masked_turn import masked_turn
from addons.views.masking import Masker
from addons.views.turn import Turn

TURNS = ("/responses", "/responses/compact")
MOST_TURNS = 8
MOST_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Kept:
    """One turn."""

    id: str
    asked: http.Request
    told: http.Response | None
    beside: object
    """What the engine wrote to the flow's metadata."""

    @classmethod
    def of(cls, flow: http.HTTPFlow) -> Kept:
        """Take what is kept with a flow, and nothing of its connections."""
        return cls(flow.id, flow.request, flow.response, flow.metadata.get(KEY))

    def turn(self) -> Turn:
        """The turn as the views read it."""
        told = self.told
        return Turn(
            _body(self.asked) or b"",
            _body(told),
            tuple(told.headers.items(multi=True)) if told else (),
            told.status_code if told else 0,
            KeptTurn.of(self.beside),
        )

    @property
    def size(self) -> int:
        """How many bytes of bodies it holds."""
        messages = [message.raw_content for message in (self.asked, self.told) if message]
        return kept_bytes(self.beside) + sum(len(body) for body in messages if body)


def is_turn(flow: http.HTTPFlow) -> bool:
    """Whether a flow is a turn of a model."""
    return flow.request.method == "POST" and shim_path(flow.request.path) in TURNS


def _body(message: http.Message | None) -> bytes | None:
    """A message's body without its content-encoding; bounded, unlike mitmproxy's own `content`."""
    if message is None or message.raw_content is None:
        return None
    return plain_body(message.raw_content, message.headers.get("content-encoding", ""))


class LastTurns:
    """Remembers the last turns, for `codex-shim report`."""

    def __init__(self) -> None:
        self._turns: deque[tuple[Kept, int]] = deque(maxlen=MOST_TURNS)

    def keep(self, flow: http.HTTPFlow) -> None:
        """Remember a turn that has ended. An older one makes room."""
        if not is_turn(flow):
            return
        kept = Kept.of(flow)
        self._turns.append((kept, kept.size))
        while self._turns and sum(size for _, size in self._turns) > MOST_BYTES:
            self._turns.popleft()

    def plan(self, request: ClientRequest) -> Plan:
        """Answer GET /api/turns: the newest turn, or `?id=`, masked."""
        asked = parse_qs(request.path.partition("?")[2]).get("id", [""])[0]
        found = [kept for kept, _ in self._turns if kept.id.startswith(asked)]
        if not found:
            return AnswerPlan(_unknown([kept.id for kept, _ in self._turns]).reply())
        newest = found[-1]
        return MaskedPlan(lambda: _masked(newest))


@dataclass(frozen=True, slots=True)
class MaskedPlan:
    """Answers with what `make` gives. It may take a while for megabytes, so it runs beside the streams."""

    make: Callable[[], bytes]

    def start(self) -> Step:
        """Begin the answer at once."""
        return Synthesize(Head(200, JSON_HEADERS), self._write, _AsItIs())

    async def _write(self, sink: Sink) -> None:
        await sink.write(await asyncio.to_thread(self.make))

    def on_head(self, head: Head) -> NoReturn:
        """No upstream was asked."""
        raise AssertionError(head)

    def on_body(self, head: Head, body: bytes) -> NoReturn:
        """No upstream was asked."""
        raise AssertionError(head, body)

    def on_fault(self, fault: Fault) -> NoReturn:
        """No upstream was asked."""
        raise AssertionError(fault)


class _AsItIs:
    """The translator of an answer that is no stream of events: nothing is added, also when it breaks off."""

    terminal = False

    def feed(self, data: bytes) -> bytes:
        """Pass the bytes."""
        return data

    def finish(self) -> bytes:
        """Nothing is missing."""
        return b""

    def fail(self, fault: Fault) -> bytes:  # noqa: ARG002  half a JSON document has no way to say why
        """Nothing can be said in it."""
        return b""


def _masked(kept: Kept) -> bytes:
    masker = Masker(secrets.token_bytes(16))
    return orjson.dumps({"id": kept.id, **masked_turn(kept.turn(), masker)})


def _unknown(ids: list[str]) -> Problem:
    if not ids:
        return Problem(404, "no_turn", "No turn has ended since this codex-shim started.")
    known = ", ".join(ids)
    return Problem(404, "no_turn", f"No such turn among the last ones: {known}.")
