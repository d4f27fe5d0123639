"""The meaning of an upstream's refusal: status and error body → one `Problem` that Codex and SDKs handle correctly.

Never reads a clock, quotes more than 2 KiB of an upstream, or passes on a control character or a text that looks like
a key. Invariant: total, any status and any JSON value give a `Problem`; a provider's refused key never becomes a code
that Codex takes for its own login.

`error_body` finds the inner text of a wrapped refusal, `error_codes` and `error_patterns` hold the providers' codes and
messages, `durations` reads the time to wait. A body is classified before anything in it is masked.

Source: the reactions of Codex to codes were measured with Codex 0.169.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus

from addons.core.errors import INVALID_PROMPT, Problem
from addons.core.upstream.error_body import ErrorBody, read_error_body
from addons.core.upstream.error_codes import (
    CODE_KINDS,
    DECISIVE_STATUSES,
    FINAL_QUOTAS,
    GENERAL_CODES,
    INNER_STATUSES,
    STATUS_KINDS,
    ErrorKind,
)
from addons.core.upstream.error_patterns import (
    LASTING,
    MESSAGE_PATTERNS,
    MONEY,
    PASSING,
    is_output_mistake,
    is_too_large_for_a_rate,
    names_unknown_model,
)
from addons.core.upstream.target import Target

MAX_QUOTED_BYTES = 2048
MAX_WAIT = 120.0
"""The longest wait in seconds that a client is asked for, whatever the provider asks for."""
SHORT_WAIT = 600.0
"""Seconds that the retries of Codex outlast. A quota that is back sooner is a limit that passes."""
LONG_WAIT = 6 * 3_600.0
"""Seconds from which on a limit of the rate is reported as a quota that is used up."""
DEFAULT_WAIT = {ErrorKind.RATE_LIMIT: 10.0, ErrorKind.OVERLOADED: 5.0}
"""Seconds to wait when the provider gives none."""


@dataclass(frozen=True, slots=True)
class ClientError:
    """How one kind is reported: status and type for SDKs, code for Codex, and a text with the next step."""

    status: int
    type: str
    code: str
    text: str


CLIENT_ERRORS: dict[ErrorKind, ClientError] = {
    ErrorKind.AUTH: ClientError(401, "authentication_error", INVALID_PROMPT, "{who} refused the key of {slug}. Check its api_key, api_key_env or auth_command in models.json, then `codex-shim doctor`."),
    ErrorKind.PERMISSION: ClientError(403, "permission_error", INVALID_PROMPT, "{who} does not allow this with the key of {slug}. Check the permissions of the key in the provider's console."),
    ErrorKind.NOT_FOUND: ClientError(404, "not_found_error", INVALID_PROMPT, "{who} does not know this model or path ({path}). Check model and base_url of {slug} in models.json."),
    ErrorKind.CONTEXT: ClientError(400, "invalid_request_error", "context_length_exceeded", "The conversation is too long for {who}. Compact it or start a new thread; check the context limit of {slug} in models.json."),
    ErrorKind.OUTPUT_LIMIT: ClientError(400, "invalid_request_error", INVALID_PROMPT, "{slug} asks {who} for more output tokens than it allows. Set max_output_tokens of {slug} in models.json to a lower number."),
    ErrorKind.TOO_LARGE: ClientError(413, "invalid_request_error", "context_length_exceeded", "The request is too large for {who}. Compact the thread or send fewer images."),
    ErrorKind.RATE_LIMIT: ClientError(429, "rate_limit_error", "rate_limit_exceeded", "{who} limits the rate of {slug}: try again in {wait}s{asked}."),
    ErrorKind.QUOTA: ClientError(429, "insufficient_quota", "insufficient_quota", "{who} reports that the quota or balance behind the key of {slug} is used up.{reset} Check its plan and billing."),
    ErrorKind.OVERLOADED: ClientError(503, "overloaded_error", "rate_limit_exceeded", "{who} is overloaded: try again in {wait}s{asked}."),
    ErrorKind.TIMEOUT: ClientError(504, "timeout_error", "upstream_timeout", "{who} did not answer in time. Send the turn again."),
    ErrorKind.SERVER: ClientError(502, "server_error", "server_error", "{who} had an internal error. Send the turn again."),
    ErrorKind.CONTENT: ClientError(400, "content_policy_violation", INVALID_PROMPT, "{who} refused the request because of its content. Rephrase it."),
    ErrorKind.MEMORY: ClientError(503, "server_error", INVALID_PROMPT, "{who} has too little memory for its model. Free memory, or choose a smaller model or a smaller context for {slug}."),
    ErrorKind.TEMPLATE: ClientError(400, "invalid_request_error", INVALID_PROMPT, "The chat template of {who} refused the conversation of {slug}. Choose another model for this thread, or correct the template of the server."),
    ErrorKind.BAD_REQUEST: ClientError(400, "invalid_request_error", INVALID_PROMPT, "{who} rejected the request of {slug} as invalid."),
}  # fmt: skip

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)", re.DOTALL)
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_KEY = re.compile(
    r"\b(?:sk|gsk|xai|nvapi|fw|pplx|r8|hf)[-_][\w-]{8,}|\bAIza[\w-]{20,}|(?i:\bbearer) +[\w.~+/-]{8,}=*"
)


def upstream_problem(
    target: Target,
    status: int | None,
    error: object,
    retry_after: float | None = None,
    now: float | None = None,
) -> Problem:
    """Return the problem that a refusal of this target means.

    `status` is the HTTP status, None for an error inside a 200 stream; `error` is the body: bytes, text, or a parsed
    JSON value. `retry_after` is in seconds; `now` in Unix seconds, for a wait that the body gives as a point in time.
    """
    body = read_error_body(error, now)
    known = _inner_status(status, body)
    wait = retry_after if retry_after is not None else body.wait
    kind = _kind(known, body, wait)
    client_error = CLIENT_ERRORS[kind]
    message = quotable(body.message)
    quote = f" The provider says: {message}" if message else ""
    text = client_error.text.format(
        who=f"{target.provider} ({target.model} at {target.origin})",
        slug=target.slug,
        path=target.path,
        wait=_format_seconds(min(MAX_WAIT, wait or DEFAULT_WAIT.get(kind, 0.0))),
        asked=f" (it asks for {_format_seconds(wait)} s)" if wait and wait > MAX_WAIT else "",
        # with a quota per day, Google sends the wait of its limit per minute
        reset=f" It is back in {_format_length(wait)}." if wait and wait > SHORT_WAIT else "",
    )
    shown = status if status is not None and status >= HTTPStatus.BAD_REQUEST else known
    http = f" (HTTP {shown})" if shown and kind is not ErrorKind.AUTH else ""
    return Problem(
        _status(client_error, kind, known),
        client_error.code,
        f"{text}{http}{quote}",
        client_error.type,
    )


def refusal_kind(
    status: int | None, error: object, retry_after: float | None = None, now: float | None = None
) -> ErrorKind:
    """Return the subject of a refusal. `error_codes.TRANSIENT` holds the kinds for which a retry may help."""
    body = read_error_body(error, now)
    wait = retry_after if retry_after is not None else body.wait
    return _kind(_inner_status(status, body), body, wait)


def quotable(text: str) -> str:
    """Return an upstream's text without control characters and keys, at most 2 KiB, so that it can be shown."""
    plain = _UNPRINTABLE.sub(" ", _ANSI.sub("", text[: 4 * MAX_QUOTED_BYTES]))
    hidden = _KEY.sub("[key]", plain).strip()
    raw = hidden.encode("utf-8", "replace")
    if len(raw) <= MAX_QUOTED_BYTES:
        return raw.decode()
    return raw[: MAX_QUOTED_BYTES - 3].decode("utf-8", "ignore") + "…"


def _inner_status(status: int | None, body: ErrorBody) -> int | None:
    """Return the status that counts: a gateway's 5xx may hold a refusal that no retry changes."""
    if status is None or status < HTTPStatus.BAD_REQUEST:
        return body.status
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and body.status in INNER_STATUSES:
        return body.status
    return status


def _kind(status: int | None, body: ErrorBody, wait: float | None) -> ErrorKind:
    kind = _stated_kind(status, body)
    if kind is ErrorKind.QUOTA and _passes(status, body, wait):
        return ErrorKind.RATE_LIMIT
    if kind is ErrorKind.RATE_LIMIT and _lasts(body, wait):
        return ErrorKind.QUOTA
    return kind


def _passes(status: int | None, body: ErrorBody, wait: float | None) -> bool:
    """Return whether a quota is a limit per minute: Google, DashScope and Vertex call both a quota."""
    text = body.search_text
    if status == HTTPStatus.PAYMENT_REQUIRED or MONEY.search(text) or LASTING.search(text):
        return False
    if PASSING.search(text):
        return True
    return wait is not None and wait <= SHORT_WAIT and FINAL_QUOTAS.isdisjoint(body.codes)


def _lasts(body: ErrorBody, wait: float | None) -> bool:
    """Return whether a limit of the rate lasts longer than a client retries."""
    if wait is not None:
        return wait > LONG_WAIT
    return bool(LASTING.search(body.search_text)) and not PASSING.search(body.search_text)


def _stated_kind(status: int | None, body: ErrorBody) -> ErrorKind:
    by_code = _kind_of_codes(body.codes)
    by_message = _kind_of_text(body.search_text)
    if status in DECISIVE_STATUSES:
        if status == HTTPStatus.UNAUTHORIZED and names_unknown_model(body.search_text):
            return ErrorKind.NOT_FOUND
        return _decisive_kind(status, body, ErrorKind.QUOTA in (by_code, by_message))
    if by_message in _SPECIFIC:
        return by_message
    if by_code and by_code is not ErrorKind.SERVER:
        return by_code
    return _by_status(status, by_code, by_message)


_SPECIFIC = frozenset(
    {
        ErrorKind.MEMORY,
        ErrorKind.TEMPLATE,
        ErrorKind.CONTEXT,
        ErrorKind.OUTPUT_LIMIT,
        ErrorKind.QUOTA,
        ErrorKind.CONTENT,
    }
)
"""Kinds that the text shows more reliably than a code or a status."""


def _kind_of_codes(codes: tuple[str, ...]) -> ErrorKind | None:
    known = [code for code in codes if code in CODE_KINDS]
    certain = [code for code in known if code not in GENERAL_CODES]
    return next((CODE_KINDS[code] for code in (*certain, *known)), None)


def _kind_of_text(text: str) -> ErrorKind | None:
    found = next((kind for kind, pattern in MESSAGE_PATTERNS if pattern.search(text)), None)
    if found in {ErrorKind.CONTEXT, ErrorKind.OUTPUT_LIMIT}:
        return ErrorKind.OUTPUT_LIMIT if is_output_mistake(text) else ErrorKind.CONTEXT
    return found


def _decisive_kind(status: int, body: ErrorBody, is_quota: bool) -> ErrorKind:  # noqa: FBT001
    certain = STATUS_KINDS[status]
    if certain is ErrorKind.RATE_LIMIT and is_too_large_for_a_rate(body.search_text):
        return ErrorKind.CONTEXT
    # OpenCode Zen answers 401 when the balance is used up.
    if MONEY.search(body.search_text) or (is_quota and certain is ErrorKind.RATE_LIMIT):
        return ErrorKind.QUOTA
    return certain


def _by_status(
    status: int | None, by_code: ErrorKind | None, by_message: ErrorKind | None
) -> ErrorKind:
    if status in STATUS_KINDS:
        return STATUS_KINDS[status]
    if by_message:
        return by_message
    if by_code or status is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ErrorKind.SERVER
    return ErrorKind.BAD_REQUEST


def _status(client_error: ClientError, kind: ErrorKind, known: int | None) -> int:
    """Return the status for the client. An upstream's 5xx and 422 stay, because SDKs have typed exceptions for them."""
    own = (
        kind is ErrorKind.SERVER and known is not None and known >= HTTPStatus.INTERNAL_SERVER_ERROR
    )
    if own or (kind is ErrorKind.BAD_REQUEST and known == HTTPStatus.UNPROCESSABLE_ENTITY):
        return known or client_error.status
    return client_error.status


def _format_seconds(seconds: float) -> str:
    return f"{max(0.1, seconds):.1f}".removesuffix(".0")


def _format_length(seconds: float) -> str:
    """Return a length of time in its two largest units."""
    rest = max(1, round(seconds))
    parts = []
    for name, size in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {name}{'s' if count > 1 else ''}")
    return " ".join(parts[:2])
