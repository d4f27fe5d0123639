"""The record of one turn: request, attempts, end and usage; its one-line forms; the last status of each model.

The engine, the router and the plan fill a record while the turn runs. Views, access log and ledger read it after the
turn has ended. Never does: hold a secret, make a decision. The one-line forms never hold content or a header.
Invariant: `plain` returns plain data, so that a flow that carries it can be copied, saved and replayed; every value of
an access line is a number, a short printable name or a list of such.

In the comment of a flow, which mitmweb shows in its list, slug and state come first, because the list cuts it off at its
end. A circle shows a failure in the list, in the colour of the flow's mark: the status of a stream that failed is 200.

The error code of an upstream is text of that upstream: it may quote a key. So a record holds one of the codes listed here,
and `OTHER_ERROR` in place of any other. Sources: the codes of this program, those of the OpenAI API that Codex 0.169 acts
on, and the error types of the OpenAI and Anthropic APIs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import cast

from addons.core.headers import Headers
from addons.core.json_values import as_object
from addons.core.masking.credentials import redacted_response_headers
from addons.core.masking.mask import EchoMask
from addons.core.turn import ClientTransport, TurnNotes, printable
from addons.core.usage import Usage

OTHER_ERROR = "other_error"
"""Stands in place of a code that is not listed."""

OWN_CODES = frozenset(
    ["answer_unread", "bad_request", "budget_exceeded", "client_refused", "cloudflare_challenge", "context_length_exceeded", "empty_answer", "invalid_prompt", "key_pending", "local_token_missing", "local_token_unusable", "local_token_wrong", "login_agent_identity", "login_api_base", "login_changed", "login_disabled", "login_expired", "login_garbled", "login_keyring", "login_missing", "login_no_token", "login_no_way", "login_unreadable", "login_unsupported", "method_not_allowed", "model_hidden", "model_not_found", "no_turn", "not_found", "not_recorded", "rate_limit_exceeded", "request_head_too_large", "request_refused", "request_timeout", "request_too_large", "search_failed", "search_not_configured", "server_error", "shim_bug", "shutting_down", "stream_interrupted", "tool_call_incomplete", "too_many_listeners", "unknown_path", "unsupported_media_type", "upstream_closed", "upstream_html", "upstream_protocol", "upstream_redirect", "upstream_stalled", "upstream_timeout", "upstream_unreachable", "websocket_not_spoken", "insufficient_quota", "invalid_frame"]
)  # fmt: skip
API_CODES = frozenset(
    ["account_deactivated", "api_error", "authentication_error", "billing_error", "billing_hard_limit_reached", "content_filter", "content_policy_violation", "cyber_policy", "deactivated_workspace", "internal_server_error", "invalid_api_key", "invalid_encrypted_content", "invalid_request_error", "invalid_value", "missing_required_parameter", "model_not_available", "model_not_supported", "not_found_error", "overloaded_error", "permission_error", "previous_response_not_found", "rate_limit_error", "request_too_large", "server_is_overloaded", "slow_down", "string_above_max_length", "timeout_error", "token_expired", "token_invalidated", "token_revoked", "unknown_parameter", "unsupported_country_region_territory", "unsupported_parameter", "unsupported_value", "usage_limit_reached", "usage_not_included", "websocket_connection_limit_reached"]
)  # fmt: skip
KNOWN_CODES = OWN_CODES | API_CODES
TERMINAL_TYPES = frozenset(
    {"response.completed", "response.failed", "response.incomplete", "error"}
)


def known_code(code: str) -> str:
    """Return a code if it is listed, else `OTHER_ERROR`; an empty one stays empty."""
    return code if not code or code in KNOWN_CODES else OTHER_ERROR


def known_terminal(kind: str) -> str:
    """Return the type of a terminal event, empty for anything else."""
    return kind if kind in TERMINAL_TYPES else ""


METADATA_KEY = "codex_shim"
"""The key in `flow.metadata` under which `TurnRecord.plain` is found."""
FAILED_MARKER, RETRIED_MARKER = ":red_circle:", ":yellow_circle:"
"""Values of `flow.marked`."""
GOOD_TERMINALS = frozenset({"", "response.completed"})


@dataclass(slots=True)
class AttemptRecord:
    """One attempt at one upstream."""

    url: str
    reason: str
    """Why it was made: empty for the first attempt, else how the previous one ended."""
    method: str
    started: float
    """Unix seconds."""
    request_headers: list[list[str]] = field(default_factory=list)
    request_body: bytes = b""
    request_cut: bool = True
    """Whether `request_body` is less than what was sent."""
    status: int | None = None
    """None until a response head arrives."""
    answer_headers: Headers = ()
    answer_body: bytearray = field(default_factory=bytearray)
    answer_cut: bool = False
    reads: list[list[float]] = field(default_factory=list)
    """When `answer_body` arrived: pairs of seconds since the start and bytes received by then."""
    first_byte: float | None = None
    """Seconds from the start to the response head."""
    seconds: float = 0.0
    outcome: str = ""
    """The status, or the fault that ended the attempt; empty while it runs."""
    route: str = ""
    """The name of the provider that it asked. A fallback asks another one than the attempt before."""

    def redact(self, mask: EchoMask) -> None:
        """Replace secrets wherever the request holds them and the upstream quoted them in its answer."""
        if not self.request_body and not self.answer_body:
            head = b"\n".join(chain.from_iterable(self.answer_headers)).decode("latin-1")
            if not mask.finds_any(self.url, head):
                return
        self.url = mask.text(self.url)
        self.request_body = mask.data(self.request_body)
        self.answer_headers, body = mask.message(self.answer_headers, bytes(self.answer_body))
        self.answer_body = bytearray(mask.cut(body) if self.answer_cut else body)

    def plain(self) -> dict[str, object]:
        """Return the attempt as plain data."""
        return {
            "url": self.url,
            "reason": self.reason,
            "request": {
                "method": self.method,
                "headers": self.request_headers,
                "body": self.request_body,
                "cut": self.request_cut,
            },
            "answer": None
            if self.status is None
            else {
                "status": self.status,
                "headers": redacted_response_headers(self.answer_headers),
                "body": bytes(self.answer_body),
                "cut": self.answer_cut,
                "reads": [list(read) for read in self.reads],
            },
            "started": self.started,
            "first_byte": self.first_byte,
            "seconds": self.seconds,
            "outcome": self.outcome,
        }


@dataclass(slots=True)
class TurnRecord(TurnNotes):
    """One turn. A record without a slug is not a turn: a page, a health check or a rejected request."""

    id: str = ""
    started: float = 0.0
    """Unix seconds."""
    attempts: list[AttemptRecord] = field(default_factory=list)
    status: int = 0
    """The status that the client received; 0 when it disconnected before."""
    terminal: str = ""
    """The type of the stream's terminal event."""
    error: str = ""
    """The code of the error that the client received, if any."""
    ended: str = ""
    """The fault that ended the turn, or `client_left`; empty when the turn ended by itself."""
    usage: Usage | None = None
    rate_limits: Mapping[str, object] | None = None
    """The last `codex.rate_limits` event."""
    unknown_events: tuple[str, ...] = ()
    ttft: float | None = None
    """Seconds to the first delta that was sent to the client."""
    seconds: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    replay: bool = False
    transport: ClientTransport = ClientTransport.HTTP
    upstream_body: bytes = b""
    """The request body of the last attempt, for the comparison with the thread's previous turn."""
    upstream_encoding: bytes | None = None

    def redact(self, mask: EchoMask) -> None:
        """Replace secrets in the texts that come from the client, or from an upstream by way of a note."""
        names = (self.slug, self.model, self.route, self.agent, self.label)
        threads = (self.thread, self.root, self.parent)
        notes = (*self.dropped, *self.repairs, *self.queries, *self.hooks)
        if not mask.finds_any(*names, *threads, *notes):
            return
        for name in ("slug", "model", "thread", "root", "route", "parent", "agent", "label"):
            setattr(self, name, mask.text(getattr(self, name)))
        for name in ("dropped", "repairs", "queries", "hooks"):
            setattr(self, name, [mask.text(note) for note in getattr(self, name)])

    @property
    def ok(self) -> bool:
        """Whether the client received a whole answer."""
        if self.ended or not 0 < self.status < 400:  # noqa: PLR2004  where HTTP's errors begin
            return False
        return self.terminal in GOOD_TERMINALS

    def plain(self) -> dict[str, object]:
        """Return the turn as plain data, for `flow.metadata`."""
        return {
            "slug": self.slug,
            "route": self.route,
            "model": self.model,
            "thread": self.thread,
            "dropped": list(self.dropped),
            "repairs": list(self.repairs),
            "fallback": self.fallback,
            "attempts": [attempt.plain() for attempt in self.attempts],
            "terminal": self.terminal,
            "error": self.error,
            "ended": self.ended,
            "usage": self.usage and self.usage.plain(),
            "ttft": self.ttft,
            "seconds": self.seconds,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            **({"unknown_events": list(self.unknown_events)} if self.unknown_events else {}),
            **({"hooks": list(self.hooks)} if self.hooks else {}),
        }


def body_bytes(plain: object) -> int:
    """Return how many bytes of bodies the plain data of a turn holds. Total: the data may come from a file."""
    attempts = as_object(plain).get("attempts")
    size = 0
    for attempt in attempts if isinstance(attempts, list | tuple) else ():
        for side in ("request", "answer"):
            body = as_object(as_object(attempt).get(side)).get("body")
            size += len(body) if isinstance(body, bytes) else 0
    return size


# One-line forms -------------------------------------------------------------------------------------------

MAX_NOTES = 20
"""Entries of `dropped` in an access line."""
_UNITS = ((1_000_000_000, "B", 2), (1_000_000, "M", 1), (1000, "k", 1))
"""Size, name and decimal places of the units of `short_count`."""
MIN_RATE_SECONDS, MIN_RATE_TOKENS = 0.1, 10
"""Below these there is no output rate: an answer that came in one piece says nothing about the speed of its model."""
FAILED = "\N{LARGE RED CIRCLE} "
RETRIED = "\N{LARGE YELLOW CIRCLE} "
_CIRCLES = {FAILED_MARKER: FAILED, RETRIED_MARKER: RETRIED}
_SHOWN_DROPPED = 3
_FIRST_ERROR_STATUS = 400


def running_comment(record: TurnRecord) -> str:
    """Return `slug → model · attempt 2 · waiting for the answer`."""
    attempts = record.attempts
    status = attempts[-1].status if attempts else None
    parts = [turn_name(record)]
    if len(attempts) > 1:
        parts.append(f"attempt {len(attempts)}")
    if status:
        parts.append(str(status))
    is_answer = status and status < _FIRST_ERROR_STATUS
    parts.append("answering" if is_answer else "waiting for the answer")
    return " · ".join(parts)


def ended_comment(record: TurnRecord) -> str:
    """Return the summary, with a circle before it if something went wrong, and what is good for filters behind it."""
    parts = [_CIRCLES.get(marker(record), "") + summary(record)]
    if upstream := record.label or record.route:
        parts.append(f"via {upstream}")
    if record.search:
        parts.append(record.search)
    if record.dropped:
        names = ", ".join(printable(note) for note in record.dropped[:_SHOWN_DROPPED])
        parts.append(f"dropped {names}")
    if record.replay:
        parts.append("sent again")
    return " · ".join(parts)


def turn_name(record: TurnRecord) -> str:
    """Return `slug → model`."""
    return f"{record.slug} → {record.model}" if record.model else record.slug


def summary(record: TurnRecord) -> str:
    """Return `slug → model · 200 · TTFT 0.8 s · 312 tok/s · in 18.2k (cached 17k) out 640`."""
    line = f"{turn_name(record)} · {record.status or 'no answer'}"
    if record.terminal not in GOOD_TERMINALS:
        line += f" · {record.terminal}"
    if record.error:
        line += f" · {record.error}"
    if record.ended:
        line += f" · {record.ended}"
    if record.fallback:
        line += f" · {record.fallback}"
    if len(record.attempts) > 1:
        line += f" · {len(record.attempts)} attempts"
    if record.ttft is not None:
        line += f" · TTFT {record.ttft:{'.2g' if record.ttft < 1 else '.1f'}} s"
    if (speed := tokens_per_second(record)) is not None:
        line += f" · {speed:.0f} tok/s"
    if usage := record.usage:
        cached = f" (cached {short_count(usage.cached_tokens)})" if usage.cached_tokens else ""
        tokens_in, tokens_out = short_count(usage.input_tokens), short_count(usage.output_tokens)
        line += f" · in {tokens_in}{cached} out {tokens_out}"
    return line


def marker(record: TurnRecord) -> str:
    """Return mitmproxy's mark of a flow: red for a failed turn, yellow for more than one attempt, else empty."""
    if not record.ok:
        return FAILED_MARKER
    return RETRIED_MARKER if len(record.attempts) > 1 else ""


def tokens_per_second(record: TurnRecord) -> float | None:
    """Return the output rate after the first delta, None when it is unknown or the answer is too short for one."""
    usage, ttft = record.usage, record.ttft
    if usage is None or ttft is None or usage.output_tokens < MIN_RATE_TOKENS:
        return None
    duration = record.seconds - ttft
    return usage.output_tokens / duration if duration >= MIN_RATE_SECONDS else None


def short_count(tokens: int) -> str:
    """Return a token count in short form: 640, 18.2k, 1.3M, 1.88B."""
    for unit, name, places in _UNITS if tokens >= _UNITS[-1][0] else ():
        if tokens >= unit - (unit // 20_000):  # from there on it rounds up to 1
            return f"{tokens / unit:.{places}f}".rstrip("0").rstrip(".") + name
    return str(tokens)


def access_line(record: TurnRecord, broke_at: str = "") -> dict[str, object]:
    """Return the fields of a line of the access log. `broke_at` is where the thread's cached prefix broke, if it did."""
    line: dict[str, object] = {
        "time": datetime.fromtimestamp(record.started, UTC).isoformat(timespec="milliseconds"),
        "id": record.id,
        "thread": record.thread,
        "agent": record.agent,
        "slug": record.slug,
        "route": record.route,
        "model": record.model,
        "attempts": attempt_facts(record),
        "status": record.status,
        "terminal": record.terminal,
        "error": record.error,
        "ended": record.ended,
        "ttft": None if record.ttft is None else round(record.ttft, 4),
        "seconds": round(record.seconds, 4),
        "usage": record.usage.plain() if record.usage else None,
        "bytes_in": record.bytes_in,
        "bytes_out": record.bytes_out,
        "dropped": [printable(note) for note in record.dropped[:MAX_NOTES]],
    }
    for name, notes in (("repairs", record.repairs), ("hooks", record.hooks)):
        if notes:
            line[name] = [printable(note) for note in notes]
    if record.fallback:
        line["fallback"] = printable(record.fallback)
    if record.search:
        line["search"] = printable(record.search)
    if record.queries:
        line["queries"] = [printable(query) for query in record.queries]
    line["replay"] = record.replay
    if record.transport is not ClientTransport.HTTP:
        line["transport"] = str(record.transport)
    if broke_at:
        line["prefix_broke_at"] = broke_at
    return line


def attempt_facts(record: TurnRecord) -> list[dict[str, object]]:
    """Return each attempt without its content. What is searched for is content, which some services take in the URL."""
    return [
        {
            "url": attempt.url.partition("?")[0] if record.search else attempt.url,
            "reason": attempt.reason,
            "outcome": attempt.outcome,
            "seconds": round(attempt.seconds, 4),
        }
        for attempt in record.attempts
    ]


# The last turn of each model ------------------------------------------------------------------------------

TurnStatus = Mapping[str, object]
"""Whether a turn succeeded, when it ended, and why it failed; the value of `last` in the models API."""


def turn_status(ok: bool, ended_at: float, codes: Iterable[str], status: int) -> TurnStatus:  # noqa: FBT001  a value of the record
    """Return the status of a turn. The reason of a failure is the first of its codes."""
    reason = "" if ok else next(filter(None, codes), f"status {status}")
    return {"ok": ok, "ended_at": round(ended_at, 1), "reason": reason}


class LastTurnStatus:
    """The status of the last turn of each model: of this process, and before its first one that of the ledger.

    Invariant: at most one status for each route. A turn without a route is not recorded.
    """

    def __init__(self) -> None:
        self._last: dict[str, TurnStatus] = {}

    def recall(self, slug: str, status: TurnStatus) -> None:
        """Record an earlier turn, unless a later one is known."""
        known = self._last.setdefault(slug, status)
        if cast("float", known["ended_at"]) < cast("float", status["ended_at"]):
            self._last[slug] = status

    def note(self, record: TurnRecord) -> None:
        """Record the end of a turn under the slug of its route."""
        if record.row:
            codes = (record.error, record.ended, record.terminal)
            ended_at = record.started + record.seconds
            self._last[record.row] = turn_status(record.ok, ended_at, codes, record.status)

    def get(self, slug: str) -> TurnStatus | None:
        """Return the status of the last turn of a model, None before its first one."""
        return self._last.get(slug)
