"""Turns the answer of a turn by HTTP into the texts of frames: one for each event, or one for an error.

Source: Codex 0.169 and 0.171. It ignores an error frame without `status`, and at 400 it shows the whole frame in place
of its message, so a refusal with that status becomes a failed response. Never does: interpret an event. Invariant: any
split of the bytes into reads gives the same frames, and each is valid UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import orjson

from addons.core.errors import INVALID_PROMPT, Problem, failed_event
from addons.core.headers import Headers, canonical, header, media_type
from addons.core.json_values import JsonDict, as_str
from addons.core.protocols.responses.websocket.history import NOT_FOUND
from addons.core.protocols.sse import SseReader, parse_block

HEARTBEAT = b'{"type":"response.heartbeat"}'
DONE = b"[DONE]"
OK, BAD_REQUEST, BAD_GATEWAY, FIRST_ERROR = 200, 400, 502, 400
RECONNECT = frozenset({NOT_FOUND, "websocket_connection_limit_reached"})
"""Codes of a 400 at which Codex connects again instead of showing the frame."""
FINAL = frozenset({INVALID_PROMPT, "context_length_exceeded"})
"""Codes of a failed response that mean the same to Codex as by HTTP."""
MAX_QUOTED = 500
_PASSED = frozenset({b"retry-after", b"retry-after-ms", b"x-request-id", b"cf-ray"})
_PASSED_FAMILIES = (b"x-codex-", b"x-ratelimit-", b"x-openai-")


def is_stream(status: int, headers: Headers) -> bool:
    """Return whether a head begins an event stream whose bytes can be read."""
    encoding = (header(headers, b"content-encoding") or b"identity").lower()
    is_events = media_type(headers) == b"text/event-stream"
    return status == OK and is_events and encoding == b"identity"


_LF, _CR = b"\n"[0], b"\r"[0]
_STARTS = (b"event:", b"data:")
_EVENT = re.compile(rb"^(?:event: (.*+)\n)?data: (.++)\n\n", re.MULTILINE)
"""Begins at a line alone: a line may hold `data: ` ten thousand times, and each would be read to its end."""
_AROUND_NAME, _AROUND_DATA = len(b"event: \n"), len(b"data: \n\n")
_OBJECT = b"{"
_KIND = b"response."
"""How the name of an event begins that repeats the type. Others, such as `message`, say nothing of what the event is."""


class EventFrames:
    """Cuts one event stream into the texts of frames.

    `in` with one bytes in another raises and drops an exception inside CPython, which takes a quarter of a microsecond; with
    a number it does not.
    """

    __slots__ = (
        "_begin", "_between", "_is_inside", "_is_plain", "_max", "_name", "_reader", "names", "too_large",
    )  # fmt: skip

    def __init__(self, max_event_bytes: int) -> None:
        self._reader = SseReader(max_event_bytes)
        self._max = max_event_bytes
        self._is_plain = False
        """Whether the stream has begun and no CR was seen, so that bytes between events need no reader."""
        self._is_inside = False
        """Whether the reader holds a part of an event."""
        self._begin: bytes | tuple[()] = ()
        """The begin of the last event up to its data. Before it nothing, which no bytes start with."""
        self._between = b""
        """What is between the data of two such events."""
        self._name: tuple[bytes, ...] = ()
        """Its name, empty if that is unknown."""
        self.names: Sequence[bytes] = ()
        """The names of the events of the last read that repeat their types: one for all, or one each. An empty one is unknown."""
        self.too_large = False
        """Whether an event exceeded the limit and is lost."""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the data of each event that ends in these bytes."""
        if (
            data.startswith(self._begin)
            and data.endswith(b"\n\n")
            and not self._is_inside
            and (found := self._alike(data))
        ):
            return found
        self.names = ()
        if not self._is_plain and data.startswith(_STARTS) and not self._is_inside:
            # no byte order mark came before it
            self._is_plain = self._reader.begun = True
        if not self._is_plain or _CR in data:
            texts = self._read(data)
            # what follows a byte order mark, and a line that ends in CR, stays with the reader
            self._is_plain = bool(texts) and _CR not in data
            return texts
        return self._plain(data)

    def _plain(self, data: bytes) -> list[bytes]:
        begin = data.find(b"\n\n") + 2 if self._is_inside else 0
        end = data.rfind(b"\n\n") + 2
        if begin == 1 or end <= begin:
            return self._read(data)
        first = self._read(data[:begin]) if begin else []
        whole = data[begin:end] if begin or end < len(data) else data
        found = self._mixed(whole)
        if found is None or self._is_inside:
            self.names = ()
            return first + self._read(data[begin:])
        if end < len(data):
            self._read(data[end:])
        if not first:
            return found
        self.names = (*(b"" for _ in first), *self.names)
        return first + found

    def _alike(self, events: bytes) -> list[bytes] | None:
        """Return the data of whole events that begin like the last one, as nearly every read holds; None for any others."""
        texts = events[len(self._begin) : -2].split(self._between)
        # what else is a line shows in the data, and no object is empty or `[DONE]`
        if len(texts) == 1:
            joined = least = texts[0]
        else:
            joined, least = b"".join(texts), min(texts)
        if _LF in joined or _CR in joined or least < _OBJECT or len(events) > self._max:
            return None
        if not events.isascii() and not _is_text(events):
            return None
        self.names = self._name
        return texts

    def _read(self, data: bytes) -> list[bytes]:
        blocks = self._reader.feed(data)
        self._is_inside, self.too_large = self._reader.pending, self._reader.too_large
        return list(_texts(blocks))

    def _mixed(self, events: bytes) -> list[bytes] | None:
        """Return the data of whole events with one data line each; None for any others."""
        found = _EVENT.findall(events)
        names, texts = [name for name, _ in found], [text for _, text in found]
        named = len(names) - names.count(b"")
        size = _AROUND_NAME * named + _AROUND_DATA * len(texts) + sum(map(len, names + texts))
        # what is not found has other lines; nothing is found twice
        if not found or size != len(events) or size > self._max or not _is_text(events):
            return None
        self._begin = b"event: %b\ndata: " % names[-1] if names[-1] else b"data: "
        self._between = b"\n\n" + self._begin
        self._name = (names[-1] if names[-1].startswith(_KIND) else b"",)
        if DONE in texts:
            found = [each for each in found if each[1] != DONE]
            texts = [text for _, text in found]
        self.names = [name if name.startswith(_KIND) else b"" for name, _ in found]
        return texts

    def finish(self) -> list[bytes]:
        """Return what follows at the end of the stream: an event without its blank line, if it is whole."""
        self.names = ()
        if not self._is_inside:
            return []
        return [text for text in _texts(self._reader.finish()) if _is_json(text)]


def _is_text(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _texts(blocks: Iterable[bytes]) -> Iterable[bytes]:
    for block in blocks:
        event = parse_block(block)
        if event and event.data and event.data != DONE:
            data = event.data
            yield data if data.isascii() else data.decode("utf-8", "replace").encode()


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def error_frame(status: int, headers: Headers, body: bytes) -> bytes:
    """Return the frame for a whole answer that is no event stream."""
    error = _error(body)
    if status < FIRST_ERROR:
        status, error = BAD_GATEWAY, _no_stream(headers)
    code = as_str(error.get("code"))
    if status == BAD_REQUEST and code not in RECONNECT:
        return _failed(error, code if code in FINAL else INVALID_PROMPT)
    frame = {"type": "error", "status": status, "error": error, "headers": _shown(headers)}
    try:
        return orjson.dumps(frame)
    except orjson.JSONEncodeError:
        # orjson reads deeper nesting than it writes
        return orjson.dumps({**frame, "error": _quoted(body)})


def problem_frame(problem: Problem) -> bytes:
    """Return the frame for a frame that becomes no turn."""
    return error_frame(problem.status, (), problem.body())


def _failed(error: JsonDict, code: str) -> bytes:
    problem = Problem(BAD_REQUEST, code, str(error.get("message") or "The request was refused."))
    event = parse_block(failed_event(problem).rstrip())
    assert event  # noqa: S101  it has a data line
    return event.data


def _error(body: bytes) -> JsonDict:
    """Return the error of a body: that of the OpenAI API, ChatGPT's `detail`, or its text."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _quoted(body)
    if isinstance(told, dict):
        error = told.get("error")
        if isinstance(error, dict):
            return error
        for text in (told.get("detail"), told.get("message"), error):
            if isinstance(text, str) and text:
                return {"type": "error", "message": text}
    return _quoted(body)


def _quoted(body: bytes) -> JsonDict:
    return {"type": "error", "message": body.decode("utf-8", "replace")[:MAX_QUOTED]}


def _no_stream(headers: Headers) -> JsonDict:
    kind = media_type(headers).decode("latin-1") or "no content-type"
    encoding = (header(headers, b"content-encoding") or b"").decode("latin-1")
    shown = f"{kind}, compressed with {encoding}," if encoding else kind
    message = (
        f"The upstream answered with {ascii(shown)[1:-1][:80]} where a plain event stream was expected. "
        "Check `base_url` of the model with `codex-shim doctor`."
    )
    return {"type": "codex_shim_error", "code": "upstream_protocol", "message": message}


def _shown(headers: Headers) -> dict[str, str]:
    return {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in headers
        if canonical(name) in _PASSED or canonical(name).startswith(_PASSED_FAMILIES)
    }
