"""Makes the attributes with the text of turns, on a thread of its own: a body may be megabytes.

Never does: block the event loop, hold more than `MAX_BYTES` of bodies that wait. Invariant: the secrets of the turn, and
whatever has the form of a key, are replaced before anything else reads a text; a turn whose text is left out has none.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Any

import orjson

from addons.core.cassette.keys import without_keys
from addons.core.json_values import JsonObject, as_object, as_str
from addons.core.limits import MIB
from addons.core.masking.mask import EchoMask
from addons.core.protocols.request_body import decode
from addons.core.protocols.sse import SseReader, parse_block
from addons.core.telemetry.genai import Attributes
from addons.core.telemetry.genai_messages import answer_attributes, request_attributes
from addons.core.telemetry.record import TERMINAL_TYPES

MAX_BYTES = 64 * MIB
MAX_BODY_BYTES = 32 * MIB
"""Of a request once it is decoded, and of one event."""


@dataclass(frozen=True, slots=True)
class TurnText:
    """The bodies of a turn as the client sent and got them. `mask` is that of its secrets."""

    request: bytes
    encoding: bytes | None
    answer: bytes
    mask: EchoMask

    @property
    def size(self) -> int:
        """How many bytes it holds."""
        return len(self.request) + len(self.answer)


class TextMaker:
    """Makes attributes, one turn after the other. `begin` and `attach` run on the event loop."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[tuple[Future[Any], Callable[[], object]] | None] = SimpleQueue()
        self._made: dict[str, Future[Attributes]] = {}
        """By the id of the turn, until `attach` takes it."""
        self._jobs: dict[Future[Any], int] = {}
        """What has not ended, with the number of bytes that it holds."""
        self._is_closed = False
        # the process ends without waiting for a daemon: a body of many megabytes takes seconds
        Thread(target=self._run, name="turn text", daemon=True).start()

    def begin(self, id_: str, text: TurnText) -> None:
        """Start with a turn. Without room for it, or after `close`, it gets no text."""
        self._jobs = {job: size for job, size in self._jobs.items() if not job.done()}
        if self._is_closed or sum(self._jobs.values()) + text.size > MAX_BYTES:
            return
        self._made[id_] = self._submit(lambda: attributes_of(text), text.size)

    def attach(self, id_: str, use: Callable[[Attributes], None]) -> None:
        """Call `use` with the attributes of a turn: now for one without text, else on the thread."""
        made = self._made.pop(id_, None)
        if made is None or self._is_closed:
            use({})
        else:
            # there is one thread, so it is done by then
            self._submit(lambda: use({} if made.exception() else made.result()), 0)

    def close(self, seconds: float) -> None:
        """Wait for the turns that were begun, for at most so many seconds."""
        self._is_closed = True
        wait(tuple(self._jobs), seconds)
        for job in tuple(self._jobs):
            job.cancel()
        self._queue.put(None)

    def _submit[Result](self, work: Callable[[], Result], size: int) -> Future[Result]:
        job: Future[Result] = Future()
        self._jobs[job] = size
        self._queue.put((job, work))
        return job

    def _run(self) -> None:
        while one := self._queue.get():
            _do(*one)
            # a body is not held until the next turn
            del one


def _do(job: Future[Any], work: Callable[[], object]) -> None:
    if not job.set_running_or_notify_cancel():
        return
    try:
        job.set_result(work())
    except Exception as error:  # noqa: BLE001  raised again by `Future.result`
        job.set_exception(error)


def attributes_of(text: TurnText) -> Attributes:
    """Return the attributes with the text of a turn. Total: what cannot be read is left out."""
    found: Attributes = {}
    body = decode(text.request, text.encoding, MAX_BODY_BYTES)
    if isinstance(body, bytes):
        found.update(request_attributes(as_object(_json(_masked(body, text.mask)))))
    items, terminal = _answer(_masked(text.answer, text.mask))
    found.update(answer_attributes(items, terminal))
    return found


def _masked(body: bytes, mask: EchoMask) -> bytes:
    return without_keys(mask.stream(body))


def _answer(body: bytes) -> tuple[list[object], JsonObject]:
    """Return the items of an answer and its terminal event."""
    if body.lstrip()[:1] == b"{":
        response = as_object(_json(body))
        output = response.get("output")
        kind = f"response.{as_str(response.get('status'))}"
        return output if isinstance(output, list) else [], {"type": kind, "response": response}
    reader = SseReader(MAX_BODY_BYTES)
    items: list[object] = []
    terminal: JsonObject = {}
    for block in (*reader.feed(body), *reader.finish()):
        event = parse_block(block)
        value = as_object(_json(event.data)) if event else {}
        kind = as_str(value.get("type"))
        if kind == "response.output_item.done":
            items.append(value.get("item"))
        elif kind in TERMINAL_TYPES:
            terminal = value
    return items, terminal


def _json(data: bytes) -> object:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
