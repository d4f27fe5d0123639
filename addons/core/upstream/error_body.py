"""Reads the body of a refusal: the text for the user, the texts and codes that classify it, and the time to wait.

Gateways wrap what an upstream said: in `metadata.raw`, `errors[]`, `detail`, `param`, `innererror`, as JSON or a Python
literal inside a text, in an SSE frame, in a page. The innermost texts are the most specific and come first. Never
classifies; `error_mapping` does. Invariant: total and bounded; fields that repeat the request are left out, because
they may hold anything.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import islice

import orjson

from addons.core.upstream.durations import MAX_TEXT, stated_wait, wait_in_field
from addons.core.upstream.patterns import at_first_use

MAX_DEPTH = 8
MAX_NODES = 200
MAX_QUOTED = 3
"""Messages that are quoted, the innermost first."""
MAX_LITERAL = 4_096
MAX_CANDIDATES = 32
"""Characters of a Python literal that are parsed."""

ECHO_KEYS = frozenset(
    {"input", "request", "body", "failed_generation", "links", "headers", "user_id", "request_id", "ctx", "traceback", "stack"}
)  # fmt: skip
"""Fields that repeat the request, name it, or hold no text of the upstream. Only waits are read from `headers`."""
MESSAGE_KEYS = (
    "message", "msg", "error_msg", "errmsg", "errormessage", "error_message", "errmessage", "err_msg", "status_msg",
    "statusmessage", "detail", "details", "error_description", "raw", "error", "err", "fault", "faultstring",
    "exception", "title", "reason", "description", "text", "content", "errors", "cause", "info",
)  # fmt: skip
"""Fields that hold text, by name in lower case, the most specific first."""
CODE_KEYS = (
    "code", "error_code", "errorcode", "err_code", "errcode", "type", "error_type", "__type", "status", "reason", "http_code",
    "status_code", "quotaid",
)  # fmt: skip
ANSWER_KEYS = frozenset({"candidates", "choices", "content", "delta", "done", "output", "response"})
"""Fields of an answer, whose text is the model's: chat completions, Gemini, Messages, Ollama, Responses."""
STATUS_KEYS = ("code", "status", "status_code", "http_code", "statuscode", "http_status")
MINIMAX_STATUS = "base_resp"
"""MiniMax puts numbers of its own there. Each becomes the code `baseresp<number>`."""

_STATUS = re.compile("[45][0-9]{2}")
_STATUS_IN_TEXT = re.compile(
    r"\b(?:error code|status code|status|http|code)\W{1,3}(4\d\d|5\d\d)\b", re.IGNORECASE
)
_GENERIC = at_first_use(
    r"(?:an? )?(?:(?:provider|upstream|api|unknown|unexpected|internal|server|service|request|validation|param(?:eter)?s?|"
    r"invalid|bad|http|client|from|the|error|errors|failed|failure|fail|returned|incorrect|occurred|exception|gateway|argument|"
    r"specified|unprocessable|entity|not|acceptable|code|status|:|\d{3})[\s.!:-]*+)+",
    re.IGNORECASE,
)
"""A text that names no reason."""
_IDENTIFIER = re.compile(r"[\w.:/-]*\w")
_PAGE = at_first_use(r"\s*(?:<!--.{0,2000}?-->\s*)?<(?:!doctype html|html|head|body)\b", re.IGNORECASE | re.DOTALL)  # fmt: skip
_HEADING = re.compile(r"<(title|h1|h2)\b[^>]{0,200}>(.{1,400}?)</\1>", re.IGNORECASE | re.DOTALL)
_XML = re.compile(r"\s*<(?:\?xml|error\b|errorresponse\b|\w+:?fault\b|response\b)", re.IGNORECASE)
_XML_FIELD = re.compile(
    r"<(code|message|faultstring|description)\b[^>]{0,200}>([^<]{1,2000})</", re.IGNORECASE
)
_TAG = re.compile(r"<[^>]{0,500}>")
_FRAME = re.compile(r"\s*(?:event|data|id|retry):", re.IGNORECASE)
_DATA = re.compile(r"^data: ?(.*)$", re.MULTILINE)
_EMBEDDED = re.compile(r"""b?['"]?(?:\{(?:\s|\\[nrt])*["']|\[(?:\s|\\[nrt])*\{)""")


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """The contents of an error body."""

    message: str
    """The text for the user, not masked and not shortened."""
    search_text: str
    """All texts, one a line, for patterns."""
    codes: tuple[str, ...]
    """Codes and types in lower case without punctuation, the innermost first."""
    status: int | None
    """The innermost HTTP status."""
    wait: float | None
    """The seconds to wait that the body gives."""


def read_error_body(error: object, now: float | None = None) -> ErrorBody:
    """Read a body: bytes, text or a parsed JSON value. `now`: Unix seconds, for waits that are points in time."""
    found = _Found(now)
    found.read(error, 0)
    text = "\n".join(dict.fromkeys(found.texts))[:MAX_TEXT]
    message = _quoted(found.messages)
    status = found.status
    if status is None and (named := _STATUS_IN_TEXT.search(text)):
        status = int(named[1])
    return ErrorBody(message, text, tuple(found.codes), status, _wait(found, text, now))


def states_error(value: Mapping[str, object]) -> bool:
    """Return whether an object in place of an answer states an error: it has a message, and nothing of another protocol's answer."""
    if not ANSWER_KEYS.isdisjoint(value) or isinstance(value.get("message"), Mapping):
        return False
    return bool(read_error_body(value).message)


@dataclass(slots=True)
class _Found:
    """The findings so far; those of the innermost object first."""

    now: float | None
    messages: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    status: int | None = None
    wait: float | None = None
    nodes: int = 0

    def read(self, value: object, depth: int) -> None:
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            return
        if isinstance(value, bytes | str):
            self._read_text(value, depth)
        elif isinstance(value, list | tuple):
            for one in value:
                self.read(one, depth + 1)
        elif isinstance(value, Mapping):
            self._read_object(value, depth)

    def _read_text(self, value: bytes | str, depth: int) -> None:
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        text = text.strip().removeprefix("\ufeff")
        inner = structure(text)
        if inner is not None:
            self.read(inner, depth + 1)
            if not text.startswith(("{", "[")):
                self.texts.append(text[:MAX_TEXT])
        elif (plain := plain_text(text)) and plain != "null":
            self.messages.append(plain)
            self.texts.append(plain[:MAX_TEXT])

    def _read_object(self, value: Mapping[object, object], depth: int) -> None:
        own = {str(key).lower(): one for key, one in value.items()}
        if isinstance(own.get("loc"), list | tuple) and isinstance(own.get("msg"), str):
            self._read_complaint(own)
            return
        for key, one in own.items():
            if key == "headers":
                self._read_waits(one)
            elif key not in ECHO_KEYS and isinstance(one, Mapping | list | tuple):
                self._read_inner(key, one, depth)
        self._read_texts(own, depth)
        self._read_waits(own)
        self._read_codes(own)
        self._read_status(own)

    def _read_inner(self, key: str, value: object, depth: int) -> None:
        if key == MINIMAX_STATUS and isinstance(value, Mapping):
            self.codes.append(f"baseresp{value.get('status_code')}")
            value = {"msg": value.get("status_msg")}
        self.read(value, depth + 1)

    def _read_complaint(self, own: Mapping[str, object]) -> None:
        """Read an entry of a validator: the place and what is wrong there."""
        place = own.get("loc")
        path = ".".join(str(part) for part in place) if isinstance(place, list | tuple) else ""
        text = f"{path}: {own['msg']}" if path else str(own["msg"])
        self.messages.append(text)
        self.texts.append(text[:MAX_TEXT])

    def _read_waits(self, fields: object) -> None:
        if self.wait is not None or not isinstance(fields, Mapping):
            return
        waits = (wait_in_field(str(key), one, self.now) for key, one in fields.items())
        self.wait = next((wait for wait in waits if wait is not None), None)

    def _read_codes(self, own: Mapping[str, object]) -> None:
        for key in CODE_KEYS:
            one = own.get(key)
            if isinstance(one, str | int) and not isinstance(one, bool):
                self.codes.append(re.sub(r"[^a-z0-9]", "", str(one)[:200].lower()))

    def _read_status(self, own: Mapping[str, object]) -> None:
        # OpenRouter and Gemini give the HTTP status as the code, also inside a 200 stream.
        for key in STATUS_KEYS:
            one = own.get(key)
            number = int(one) if isinstance(one, str) and _STATUS.fullmatch(one) else one
            is_status = isinstance(number, int) and HTTPStatus.BAD_REQUEST <= number < 600  # noqa: PLR2004
            if self.status is None and is_status and isinstance(number, int):
                self.status = number

    def _read_texts(self, own: Mapping[str, object], depth: int) -> None:
        param = own.get("param")
        if isinstance(param, str) and " " in param.strip():
            # MiMo gives the reason there, and "Param Incorrect" as the message.
            self.read(param, depth + 1)
        for key in MESSAGE_KEYS:
            if isinstance(own.get(key), str):
                self.read(own[key], depth + 1)
        rest = [
            one
            for key, one in own.items()
            if isinstance(one, str) and key not in MESSAGE_KEYS and key not in ECHO_KEYS
        ]
        self.texts += [one[:MAX_TEXT] for one in rest]


def structure(text: str) -> object | None:
    """Return the JSON value, Python literal or SSE data in a text, or None."""
    if text.startswith(("{", "[", '"')) and (value := _parsed(text)) is not None:
        return value if isinstance(value, dict | list) or value != text else None
    if _FRAME.match(text) and (data := _DATA.findall(text)):
        return "\n".join(data)
    if _PAGE.match(text):
        return None
    for match in islice(_EMBEDDED.finditer(text[:MAX_TEXT]), MAX_CANDIDATES):
        if (value := _embedded(text[match.start() : MAX_TEXT])) is not None:
            return value
    return None


def plain_text(text: str) -> str:
    """Return the readable part of a text: the headings of an HTML page, the fields of an XML document, any other unchanged."""
    if _PAGE.match(text):
        headings = dict.fromkeys(
            " ".join(_TAG.sub("", match[2]).split()) for match in _HEADING.finditer(text)
        )
        title = next(filter(None, headings), "")
        return f"an HTML page, {title!r}" if title else "an HTML page"
    if _XML.match(text) and (fields := _XML_FIELD.findall(text)):
        return ": ".join(dict.fromkeys(one.strip() for _, one in fields))
    return text


def _parsed(text: str) -> object | None:
    try:
        value: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        return _literal(text)
    return value


def _embedded(text: str) -> object | None:
    """Return the value at the start of a text, which quotes it as JSON or prints it as Python."""
    quote = text.lstrip("b")[:1]
    if quote in {"'", '"'}:
        end = text.rfind(quote)
        literal = _literal(text[: end + 1]) if end > 1 else None
        if isinstance(literal, bytes | str):
            inner = literal.decode("utf-8", "replace") if isinstance(literal, bytes) else literal
            return _parsed(inner.strip())
        return None
    closing = "}" if quote == "{" else "]"
    end = text.rfind(closing)
    while end > 0:
        if isinstance(value := _parsed(text[: end + 1]), dict | list):
            return value
        end = text.rfind(closing, 0, end) if text.count(closing, 0, end) < MAX_DEPTH else -1
    return None


def _literal(text: str) -> object | None:
    if len(text) > MAX_LITERAL or not text.startswith(("{", "[", "b'", 'b"', "'", '"')):
        return None
    try:
        value: object = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return value


def _quoted(messages: Iterable[str]) -> str:
    """Return the messages that give a reason, each once; the first message, if none does."""
    known = list(dict.fromkeys(messages))
    reasons = [one for one in known if not (_GENERIC.fullmatch(one) or _IDENTIFIER.fullmatch(one))]
    chosen: list[str] = []
    for one in reasons:
        if not any(one in other or other in one for other in chosen):
            chosen.append(one)
    if not chosen:
        named = [one for one in known if not _GENERIC.fullmatch(one)]
        chosen = named[:1] or known[:1]
    return " | ".join(chosen[:MAX_QUOTED])


def _wait(found: _Found, text: str, now: float | None) -> float | None:
    return stated_wait(text, now) if found.wait is None else found.wait
