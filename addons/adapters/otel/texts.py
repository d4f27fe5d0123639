"""Makes the attributes with the text of turns, on a thread of its own: a body may be megabytes.

Never does: block the event loop, hold more than `MAX_BYTES` of bodies that wait. Invariant: the secrets of the turn, and
whatever has the form of a key, are replaced before anything else reads a text; a turn whose text is left out has none.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
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
    """Makes attributes, one turn after the other. All methods run on the event loop."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "turn text")
        self._made: dict[str, Future[Attributes]] = {}
        """By the id of the turn, until `attach` takes it."""
        self._jobs: dict[Future[Any], int] = {}
        """What has not ended, with the number of bytes that it holds."""

    def begin(self, id_: str, text: TurnText) -> None:
        """Start with a turn. Without room for it, it gets no text."""
        self._jobs = {job: size for job, size in self._jobs.items() if not job.done()}
        if sum(self._jobs.values()) + text.size > MAX_BYTES:
            return
        self._made[id_] = made = self._thread.submit(attributes_of, text)
        self._jobs[made] = text.size

    def attach(self, id_: str, use: Callable[[Attributes], None]) -> None:
        """Call `use` with the attributes of a turn: now for one without text, else on the thread."""
        made = self._made.pop(id_, None)
        if made is None:
            use({})
        else:
            # there is one thread, so it is done by then
            self._jobs[self._thread.submit(lambda: use(made.result()))] = 0

    def close(self, seconds: float) -> None:
        """Wait for the turns that were begun, for at most so many seconds."""
        wait(tuple(self._jobs), seconds)
        self._thread.shutdown(wait=False, cancel_futures=True)


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
