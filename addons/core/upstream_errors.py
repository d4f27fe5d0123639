"""What an upstream's refusal means: its status and error body → one `Problem` that Codex and SDKs act on rightly.

Never does: look at a clock, quote more than 2 KiB of an upstream, let a control character or something that looks
like a key through. Invariant: total, any status and any JSON value give a `Problem`; a provider's refused key never
becomes a code that Codex takes for its own login.

Source: what Codex does with a code was measured with Codex 0.169; the providers' words are in `upstream_words`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import orjson

from addons.core.errors import Problem
from addons.core.headers import Headers, header
from addons.core.target import Target
from addons.core.upstream_words import CERTAIN, PATTERNS, STATUSES, WORDS, Kind

QUOTED_BYTES = 2048
LONGEST_WAIT = 120.0
"""Seconds that a client is told to wait at most, whatever the provider asks for."""
USUAL_WAIT = {Kind.RATE_LIMIT: 10.0, Kind.OVERLOADED: 5.0}
"""Seconds to wait when the provider names none."""


@dataclass(frozen=True, slots=True)
class Row:
    """How a kind is told: status and type for SDKs, code for Codex, what happened and the next thing to do."""

    status: int
    type: str
    code: str
    text: str


FINAL = "invalid_prompt"
"""The code at which Codex stops and shows the message."""

ROWS: dict[Kind, Row] = {
    Kind.AUTH: Row(401, "authentication_error", FINAL, "{who} refused the key of {slug}. Check its api_key, api_key_env or auth_command in models.json, then `codex-shim doctor`."),
    Kind.PERMISSION: Row(403, "permission_error", FINAL, "{who} does not allow this to the key of {slug}. Check in the provider's console what the key may use."),
    Kind.NOT_FOUND: Row(404, "not_found_error", FINAL, "{who} does not know this model or path ({path}). Check model and base_url of {slug} in models.json."),
    Kind.CONTEXT: Row(400, "invalid_request_error", "context_length_exceeded", "The conversation is too long for {who}. Compact it or start a new thread; check the context limit of {slug} in models.json."),
    Kind.TOO_LARGE: Row(413, "invalid_request_error", "context_length_exceeded", "The request is too large for {who}. Compact the thread or send fewer images."),
    Kind.RATE_LIMIT: Row(429, "rate_limit_error", "rate_limit_exceeded", "{who} limits the rate of {slug}: try again in {wait}s{asked}."),
    Kind.QUOTA: Row(429, "insufficient_quota", "insufficient_quota", "{who} says that the quota or balance behind the key of {slug} is used up. Check its plan and billing."),
    Kind.OVERLOADED: Row(503, "overloaded_error", "rate_limit_exceeded", "{who} is overloaded: try again in {wait}s{asked}."),
    Kind.TIMEOUT: Row(504, "timeout_error", "upstream_timeout", "{who} did not answer in time. Send the turn again."),
    Kind.SERVER: Row(502, "server_error", "server_error", "{who} failed inside. Send the turn again."),
    Kind.CONTENT: Row(400, "content_policy_violation", FINAL, "{who} refused the request for its content. Rephrase it."),
    Kind.BAD_REQUEST: Row(400, "invalid_request_error", FINAL, "{who} refused the request of {slug} as wrong."),
}  # fmt: skip

_WAIT = re.compile(
    r"(?:try again|retry) (?:in|after) (?:(\d{1,6})m)?(\d{1,9}(?:\.\d+)?) ?(ms|s\b|seconds?)",
    re.IGNORECASE,
)
_STATUS = re.compile("[45][0-9]{2}")
_DURATION = re.compile(r"(\d{1,9}(?:\.\d+)?)s")
_PAGE = re.compile(r"\s*<(?:!doctype html|html)\b", re.IGNORECASE)
_TITLE = re.compile(r"<title>([^<]{1,200})</title>", re.IGNORECASE)
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)", re.DOTALL)
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_KEY = re.compile(
    r"\b(?:sk|gsk|xai|nvapi|fw|pplx|r8|hf)[-_][\w-]{8,}|\bAIza[\w-]{20,}|(?i:\bbearer) +[\w.~+/-]{8,}=*"
)


def upstream_problem(
    target: Target, status: int | None, error: object, retry_after: float | None = None
) -> Problem:
    """Say what a refusal of this target means.

    `status` is the HTTP status, None for an error inside a 200 stream; `error` is the body: bytes, text, or the JSON
    value that was read already. `retry_after` are seconds.
    """
    read = _Refusal.of(error)
    known = status if status is not None and status >= HTTPStatus.BAD_REQUEST else read.status
    wait = retry_after if retry_after is not None else read.wait
    kind = _kind(known, read, wait)
    row = ROWS[kind]
    said = f" The provider says: {read.message}" if read.message else ""
    message = row.text.format(
        who=f"{target.provider} ({target.model} at {target.origin})",
        slug=target.slug,
        path=target.path,
        wait=_shown(min(LONGEST_WAIT, wait or USUAL_WAIT.get(kind, 0.0))),
        asked=f" (it asks for {_shown(wait)} s)" if wait and wait > LONGEST_WAIT else "",
    )
    http = f" (HTTP {known})" if known and kind is not Kind.AUTH else ""
    return Problem(_status(row, kind, known), row.code, f"{message}{http}{said}", row.type)


def retry_after_of(headers: Headers, now: float) -> float | None:
    """Seconds that the headers ask to wait: milliseconds (OpenAI, Azure), seconds, or a date; `now` in Unix seconds."""
    if (milliseconds := _number(header(headers, b"retry-after-ms"))) is not None:
        return milliseconds / 1000
    value = header(headers, b"retry-after")
    if value is None:
        return None
    seconds = _number(value)
    return seconds if seconds is not None else _until(value, now)


def printable(text: str) -> str:
    """An upstream's text as it may reach a screen: no control characters, no keys, at most 2 KiB."""
    plain = _UNPRINTABLE.sub(" ", _ANSI.sub("", text[: 4 * QUOTED_BYTES]))
    hidden = _KEY.sub("[key]", plain).strip()
    raw = hidden.encode("utf-8", "replace")
    if len(raw) <= QUOTED_BYTES:
        return raw.decode()
    return raw[: QUOTED_BYTES - 3].decode("utf-8", "ignore") + "…"


@dataclass(frozen=True, slots=True)
class _Refusal:
    """What an error body says, whatever its shape."""

    message: str
    words: tuple[str, ...]
    status: int | None
    wait: float | None

    @classmethod
    def of(cls, error: object) -> _Refusal:
        value = _json(error)
        objects = tuple(_objects(value))
        message = next((text for one in objects if (text := _message(one))), "")
        if not objects and isinstance(value, str):
            message = _of_page(value)
        return cls(
            printable(message),
            tuple(word for one in objects for word in _words(one)),
            next((status for one in objects if (status := _status_in(one))), None),
            _wait_in(objects, message),
        )


def _of_page(text: str) -> str:
    """A proxy's or gateway's HTML page by its title; any other text as it is."""
    if not _PAGE.match(text):
        return text
    title = _TITLE.search(text)
    return f"an HTML page, {title[1].strip()!r}" if title else "an HTML page"


def _json(error: object) -> object:
    if not isinstance(error, bytes | str):
        return error
    try:
        return orjson.loads(error)
    except orjson.JSONDecodeError:
        return error.decode("utf-8", "replace") if isinstance(error, bytes) else error


def _objects(value: object) -> Iterator[Mapping[str, object]]:
    """The error objects of a body, the innermost first: the envelope says less than what it holds."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        value = value[0] if value else None
    if not isinstance(value, Mapping):
        return
    inner = value.get("error")
    if isinstance(inner, Mapping | list):
        yield from _objects(inner)
    elif isinstance(inner, str):
        yield {"message": inner}
    yield value


def _message(one: Mapping[str, object]) -> str:
    for key in ("message", "detail", "error_description", "title", "reason"):
        value = one.get(key)
        if isinstance(value, str) and value:
            return value
        if value and isinstance(value, list | dict):
            return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    return ""


def _words(one: Mapping[str, object]) -> Iterator[str]:
    for key in ("code", "type", "status"):
        value = one.get(key)
        if isinstance(value, str | int):
            yield re.sub(r"[^a-z0-9]", "", str(value).lower())


def _status_in(one: Mapping[str, object]) -> int | None:
    # OpenRouter and Gemini give the HTTP status as the code; a 200 stream has no other place for it.
    for key in ("code", "status", "status_code"):
        value = one.get(key)
        number = int(value) if isinstance(value, str) and _STATUS.fullmatch(value) else value
        if isinstance(number, int) and HTTPStatus.BAD_REQUEST <= number < 600:  # noqa: PLR2004
            return number
    return None


def _wait_in(objects: tuple[Mapping[str, object], ...], message: str) -> float | None:
    for one in objects:
        details = one.get("details")
        for detail in details if isinstance(details, list) else ():
            # Gemini tells when to try again in a detail of the type RetryInfo
            delay = detail.get("retryDelay") if isinstance(detail, Mapping) else None
            if isinstance(delay, str) and (match := _DURATION.fullmatch(delay)):
                return float(match[1])
    if match := _WAIT.search(message):
        unit = 0.001 if match[3].lower() == "ms" else 1.0
        return int(match[1] or 0) * 60 + float(match[2]) * unit
    return None


def _kind(status: int | None, read: _Refusal, wait: float | None) -> Kind:
    found = _told(status, read)
    if found is Kind.QUOTA and wait is not None and status in {None, 429}:
        # Gemini calls a limit per minute a quota as well, and says when it is over.
        return Kind.RATE_LIMIT
    return found


def _told(status: int | None, read: _Refusal) -> Kind:
    by_words = next((WORDS[word] for word in read.words if word in WORDS), None)
    by_message = next((kind for kind, words in PATTERNS if words.search(read.message)), None)
    if status in CERTAIN:
        certain = STATUSES[status]
        quota = Kind.QUOTA in (by_words, by_message)
        return Kind.QUOTA if quota and certain is Kind.RATE_LIMIT else certain
    if by_message in (Kind.CONTEXT, Kind.QUOTA, Kind.CONTENT):
        return by_message
    if by_words and by_words is not Kind.SERVER:
        return by_words
    return _by_status(status, by_words, by_message)


def _by_status(status: int | None, by_words: Kind | None, by_message: Kind | None) -> Kind:
    if status in STATUSES:
        return STATUSES[status]
    if by_message:
        return by_message
    if by_words or status is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Kind.SERVER
    return Kind.BAD_REQUEST


def _status(row: Row, kind: Kind, known: int | None) -> int:
    """An upstream's own 5xx and 422 stay: SDKs have typed exceptions for them."""
    own = kind is Kind.SERVER and known is not None and known >= HTTPStatus.INTERNAL_SERVER_ERROR
    if own or (kind is Kind.BAD_REQUEST and known == HTTPStatus.UNPROCESSABLE_ENTITY):
        return known or row.status
    return row.status


def _shown(seconds: float) -> str:
    return f"{max(0.1, seconds):.1f}".removesuffix(".0")


def _number(value: bytes | None) -> float | None:
    try:
        number = float(value) if value is not None else -1.0
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _until(value: bytes, now: float) -> float | None:
    try:
        when = parsedate_to_datetime(value.decode("latin-1"))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    moment = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now)
