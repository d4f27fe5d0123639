"""Turns the answer of a turn by HTTP into the texts of frames: one for each event, or one for an error.

Source: Codex 0.169 and 0.171. It ignores an error frame without `status`, and at 400 it shows the whole frame in place
of its message, so a refusal with that status becomes a failed response. Never does: interpret an event. Invariant: any
split of the bytes into reads gives the same frames, and each is valid UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

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


_DONE_END = DONE + b"\n\n"
_NOTHING = b"\n"
"""No event begins with it where none is under way."""
_STARTS = (b"event:", b"data:")
_HEAD = re.compile(rb"(?:event: ([^\n]*)\n)?data: ")
_EVENT = re.compile(rb"^(?:event: [^\n]*\n)?data: ([^\n]+)\n\n", re.MULTILINE)


class EventFrames:
    """Cuts one event stream into the texts of frames."""

    __slots__ = ("_begin", "_between", "_is_plain", "_lines", "_max", "_name", "_reader", "name")

    def __init__(self, max_event_bytes: int) -> None:
        self._reader = SseReader(max_event_bytes)
        self._max = max_event_bytes
        self._is_plain = False
        """Whether the stream has begun and no CR was seen, so that bytes between events need no reader."""
        self._begin, self._name, self._lines = _NOTHING, b"", 0
        """The begin of the last events, up to their data, their name, and the line ends of one."""
        self._between = _NOTHING
        """What stands between the data of two such events."""
        self.name = b""
        """The name that the server gave to each event of the last read; empty if they differ or have none."""

    @property
    def too_large(self) -> bool:
        """Whether an event exceeded the limit and is lost."""
        return self._reader.too_large

    def feed(self, data: bytes) -> list[bytes]:
        """Return the data of each event that ends in these bytes."""
        if data.startswith(self._begin) and (found := self._like_before(data)):
            self.name = self._name
            return found
        self.name = b""
        if not self._is_plain and data.startswith(_STARTS) and not self._reader.pending:
            # no byte order mark came before it
            self._is_plain = self._reader.begun = True
        if not self._is_plain or b"\r" in data:
            texts = self._read(data)
            # what follows a byte order mark, and a line that ends in CR, stays with the reader
            self._is_plain = bool(texts) and b"\r" not in data
            return texts
        begin = data.find(b"\n\n") + 2 if self._reader.pending else 0
        end = data.rfind(b"\n\n") + 2
        if begin == 1 or end <= begin:
            return self._read(data)
        blocks = self._reader.feed(data[:begin]) if begin else []
        first = list(_texts(blocks))
        whole = data[begin:end] if begin or end < len(data) else data
        found = self._alike(whole) or self._mixed(whole)
        if found is None or self._reader.pending:
            self.name = b""
            return first + self._read(data[begin:])
        if end < len(data):
            self._reader.feed(data[end:])
        if not all(block.startswith(b"event: %b\n" % self.name) for block in blocks):
            self.name = b""
        return first + found if first else found

    def _like_before(self, data: bytes) -> list[bytes] | None:
        """Return the data of events that begin like those before them, as nearly every read holds; None for any others."""
        if not data.endswith(b"\n\n") or b"\r" in data or self._reader.pending:
            return None
        return self._cut(data)

    def _cut(self, events: bytes) -> list[bytes] | None:
        texts = events[len(self._begin) : -2].split(self._between)
        has_other_lines = events.count(b"\n") != len(texts) * self._lines
        if has_other_lines or len(events) > self._max or b"" in texts or DONE in texts:
            return None
        return texts if _is_text(events) else None

    def _read(self, data: bytes) -> list[bytes]:
        return list(_texts(self._reader.feed(data)))

    def _alike(self, events: bytes) -> list[bytes] | None:
        """Return the data of whole events that begin alike, as those of nearly every read; None if they do not."""
        if not events.startswith(self._begin):
            if (head := _HEAD.match(events)) is None:
                return None
            self._begin, self._name = head[0], head[1] or b""
            self._between = b"\n\n" + self._begin
            self._lines = self._begin.count(b"\n") + 2
        self.name = self._name
        return self._cut(events)

    def _mixed(self, events: bytes) -> list[bytes] | None:
        """Return the data of whole events with one data line each; None for any others."""
        self.name = b""
        texts = _EVENT.findall(events)
        names = events.count(b"\nevent: ") + events.startswith(b"event: ")
        is_all = events.count(b"\n") == 2 * len(texts) + names
        if not (texts and is_all) or len(events) > self._max or not _is_text(events):
            return None
        return [text for text in texts if text != DONE] if DONE in texts else texts

    def finish(self) -> list[bytes]:
        """Return what follows at the end of the stream: an event without its blank line, if it is whole."""
        self.name = b""
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
