"""Reads the answer of a chat completions upstream: its bytes → canonical events.

Source: OpenAI API reference, "Chat Completions: streaming"; how others vary is in `chat_shapes`, `chat_calls` and
`tests/quirks`. Never looks at a provider's name, never writes `response.*` events. Invariant: any bytes, cut into any
reads, give the same events and no exception; an answer whose end was not said fails, so that half an answer never
passes for a whole one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from addons.core.errors import Problem
from addons.core.limits import Limits
from addons.core.target import Target
from addons.core.translate.conversation import Conversation
from addons.core.translate.events import (
    Citation,
    Event,
    Failed,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    Stopped,
    StopReason,
    TextDelta,
    UsageSeen,
)
from addons.core.translate.replay import seal
from addons.core.upstream_errors import printable, upstream_problem
from addons.core.usage import Usage
from addons.core.values import obj, string
from addons.core.wire.chat_beside import Beside
from addons.core.wire.chat_calls import Calls
from addons.core.wire.chat_shapes import (
    BROKEN,
    FINISHED,
    Json,
    error_in,
    parts,
    reasoning_of,
    text_of,
    usage_in,
)
from addons.core.wire.halves import Halves
from addons.core.wire.known_delta import KnownDelta
from addons.core.wire.sse import BOM, SseEvent, SseReader, parse_block

DONE = b"[DONE]"
SHOWN_BYTES = 200
WHOLE_ANSWER = (b"{", b"[", b"<")
"""How a body begins that is JSON or HTML. No line of an event stream does."""
ERROR_FIELD = b"error:"
"""How llama.cpp of 2025 begins the line that says why it refuses; no field of an event stream."""
SOFT = frozenset({None, StopReason.END, StopReason.TOOL_CALLS})
CUT = frozenset({StopReason.LENGTH, StopReason.CONTENT_FILTER, StopReason.REFUSAL})
"""Stops in the middle: a call that was under way is not whole."""


class ChatReader:
    """Reads one answer, streamed or whole."""

    __slots__ = (
        "_answered",
        "_beside",
        "_body",
        "_calls",
        "_details",
        "_ended",
        "_halves",
        "_head",
        "_known",
        "_late",
        "_limit",
        "_reason",
        "_sse",
        "_target",
        "_thought",
        "_usage",
    )

    def __init__(
        self, conversation: Conversation, target: Target, event_bytes: int = Limits().event_bytes
    ) -> None:
        self._target = target
        self._limit = event_bytes
        self._sse = SseReader(event_bytes)
        self._calls = Calls(conversation, target.lineage)
        self._beside = Beside()
        self._halves = Halves()
        self._known: KnownDelta | None = None
        self._head: bytes | None = b""
        self._body: bytearray | None = None
        self._reason: StopReason | None = None
        self._usage: Usage | None = None
        self._thought: list[str] = []
        self._details: list[object] = []
        self._answered = False
        self._late = False
        """Whether the answer went on after it had said why it stopped."""
        self._ended = False

    def feed(self, data: bytes) -> list[Event]:
        """What one network read means."""
        if self._ended or not data:
            return []
        if self._head is not None:
            data = self._sniffed(self._head + data)
        if self._body is not None:
            self._body += data
            return self._too_large() if len(self._body) > self._limit else []
        blocks = self._sse.feed(data)
        # The reader left it out: what came after it must not pass for the whole answer
        return self._too_large() if self._sse.too_large else self._run(blocks)

    def finish(self) -> list[Event]:
        """The upstream ended its body."""
        if self._ended:
            return []
        if self._body is not None:
            return list(self._close(self._whole(bytes(self._body))))
        events = self._run((*self._sse.feed(self._head or b""), *self._sse.finish()))
        if _ended(events):
            return events
        return [*events, *self._close(self._interrupted() if self._late else self._stop())]

    def _sniffed(self, head: bytes) -> bytes:
        """Decide what the body is, from its first byte that is no blank."""
        first = head.removeprefix(BOM).lstrip()
        if BOM.startswith(first) or (
            len(first) < len(ERROR_FIELD) and ERROR_FIELD.startswith(first)
        ):
            self._head = head
            return b""
        self._head = None
        if first.startswith(ERROR_FIELD):
            return b"data:" + first.removeprefix(ERROR_FIELD)
        if first.startswith(WHOLE_ANSWER):
            self._body = bytearray()
            return first
        return head

    def _too_large(self) -> list[Event]:
        return list(self._close(self._failed("sent a single event that is too large to be read")))

    def _run(self, blocks: Iterable[bytes]) -> list[Event]:
        out: list[Event] = []
        for block in blocks:
            if self._known and (delta := self._known.again(block)):
                out.append(delta)
                if isinstance(delta, ReasoningDelta):
                    self._thought.append(delta.text)
                continue
            event = parse_block(block)
            step = self._event(event) if event else []
            if _ended(step):
                return [*out, *self._close(step)]
            self._known = KnownDelta.of(block, step, _text_in)
            out += step
        return out

    def _event(self, event: SseEvent) -> list[Event]:
        data = event.data.strip()
        if not data:
            return []
        if data == DONE:
            return list(self._stop())
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError:
            chunk = self._halves.loads(data)
            if chunk is None:
                return list(self._failed(f"sent an event that is no JSON: {_shown(data)}"))
        return list(self._chunk(chunk, event.name)) if isinstance(chunk, dict) else []

    def _close(self, events: Iterable[Event]) -> Iterator[Event]:
        """The last events of the turn; what it used comes before the one that ends it."""
        self._ended = True
        for event in events:
            if isinstance(event, Failed | Stopped):
                if self._usage:
                    yield UsageSeen(self._usage)
                yield event
                return
            yield event

    def _chunk(self, chunk: Json, name: str) -> Iterator[Event]:
        choice = _choice(chunk.get("choices"))
        self._usage = usage_in(chunk, choice) or self._usage
        if (error := error_in(chunk, name) or choice.get("error")) is not None:
            yield Failed(upstream_problem(self._target, None, error))
            return
        delta = self._said(choice)
        said = list(self._delta(delta))
        goes_on = any(not isinstance(event, Citation) for event in said)
        goes_on = goes_on or any(_is_said(call) for call in _calls(delta))
        self._late = self._reason is not None and (self._late or goes_on)
        yield from said
        yield from self._reasoned(choice.get("finish_reason"))
        if self._calls.too_many:
            yield from self._failed("sent more tool calls, or longer ones, than can be meant")

    def _said(self, choice: Json) -> Json:
        if (delta := obj(choice.get("delta"))) or self._answered:
            # MiniMax ends with the whole message once more
            return delta
        return obj(choice.get("message"))

    def _delta(self, delta: Json) -> Iterator[Event]:
        details = delta.get("reasoning_details")
        if isinstance(details, list):
            self._details += details
        yield from self._thinks(reasoning_of(delta))
        for kind, text in parts(delta.get("content")):
            if kind == "reasoning":
                yield from self._thinks(text)
            elif text:
                yield from self._speaks()
                yield RefusalDelta(text) if kind == "refusal" else TextDelta(text)
        if refusal := text_of(delta.get("refusal")):
            yield from self._speaks()
            yield RefusalDelta(refusal)
        for event in self._beside.feed(delta):
            yield from self._speaks()
            yield event
        for call in _calls(delta):
            yield from self._speaks()
            yield from self._calls.feed(call)

    def _thinks(self, text: str) -> Iterator[Event]:
        if text:
            self._answered = True
            self._thought.append(text)
            yield ReasoningDelta(text)

    def _speaks(self) -> Iterator[Event]:
        """Before anything that is no reasoning: end the block of reasoning with what the upstream wants back."""
        self._answered = True
        if not (self._thought or self._details):
            return
        thought, details = "".join(self._thought), self._details
        self._thought, self._details = [], []
        kept = details if self._target.profile.replay_field == "reasoning_details" else thought
        if self._target.profile.replay_field and kept:
            yield ReasoningDone(seal(self._target.lineage, {"reasoning": kept}))

    def _reasoned(self, reason: object) -> Iterator[Event]:
        word = string(reason).lower()
        if word in {"", "null"}:
            return
        if word in BROKEN:
            said = {"error": {"message": f"finish_reason: {word}", "code": word}}
            yield Failed(upstream_problem(self._target, 503, said))
            return
        self._late = False
        if self._reason in SOFT:
            # What comes after a stop for length or by a filter takes nothing of it back
            self._reason = FINISHED.get(word, StopReason.END)

    def _stop(self) -> Iterator[Event]:
        if self._reason is None:
            yield from self._interrupted()
            return
        yield from self._speaks()
        yield from self._beside.missing()
        yield from self._calls.end(cut=self._reason in CUT)
        if self._calls.nameless:
            yield from self._failed("sent a tool call without a name")
        # Many say "stop" although they call tools
        calls = bool(self._calls) and self._reason is StopReason.END
        yield Stopped(StopReason.TOOL_CALLS if calls else self._reason)

    def _whole(self, body: bytes) -> Iterator[Event]:
        """An answer that is one JSON document, from an upstream that does not stream."""
        try:
            # Some gateways put the end of a stream after it
            answer = orjson.loads(body.rstrip().removesuffix(b"data: [DONE]"))
        except orjson.JSONDecodeError:
            what = "a web page" if body.startswith(b"<") else "a body that is no JSON"
            yield from self._failed(f"answered with {what}: {_shown(body)}")
            return
        for chunk in answer if isinstance(answer, list) else [answer]:
            yield from self._chunk(obj(chunk), "")
        yield from self._stop()

    def _interrupted(self) -> Iterator[Event]:
        text = f"{self._who} ended its answer without saying why it stopped: it was cut. Send the turn again."
        yield Failed(Problem(502, "stream_interrupted", text))

    def _failed(self, what: str) -> Iterator[Event]:
        text = f"{self._who} {what}. Check base_url and provider of {self._target.slug} in models.json, or send the turn again."
        yield Failed(Problem(502, "upstream_protocol", text))

    @property
    def _who(self) -> str:
        return f"{self._target.provider} ({self._target.model} at {self._target.origin})"


def _ended(events: Iterable[Event]) -> bool:
    return any(isinstance(event, Failed | Stopped) for event in events)


def _choice(choices: object) -> Json:
    """The first choice: nobody asked for more of them."""
    if not isinstance(choices, list):
        return {}
    found = (obj(choice) for choice in choices)
    return next((choice for choice in found if choice.get("index") in (0, None)), {})


def _text_in(chunk: Any) -> object:
    """What a chunk adds, where nearly all upstreams put it: to the answer's text, else to the thinking."""
    delta = chunk["choices"][0]["delta"]
    return delta.get("content") or delta.get("reasoning_content") or delta.get("reasoning")


def _calls(delta: Json) -> Iterator[Json]:
    calls = delta.get("tool_calls")
    for call in calls if isinstance(calls, list) else [calls]:
        if isinstance(call, dict):
            yield call
    if legacy := obj(delta.get("function_call")):
        yield {"index": 0, "function": legacy}


def _is_said(call: Json) -> bool:
    """Whether a fragment of a call adds to it, although it may be held back."""
    function = obj(call.get("function"))
    return any(string(function.get(key)) for key in ("name", "arguments"))


def _shown(data: bytes) -> str:
    return printable(data[:SHOWN_BYTES].decode("utf-8", "replace"))
