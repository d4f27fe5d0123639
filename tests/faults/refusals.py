"""Faults before the stream: the upstream answers with an error status, a redirect or a page."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

from addons.core.providers import row_attempts
from tests.faults.fault import IMMEDIATELY, RETRIES, Fault, MakeScript, row_requests
from tests.faults.outcomes import Expected, Pair, both, failed, http, passed
from tests.faults.routes import RouteKind
from tests.support.upstream import Exchange, Script

MESSAGE = "message of the upstream"
PAGE = b"<!doctype html><html><head><title>Bad gateway</title></head></html>"
STOP = "invalid_prompt"
LATE_SECONDS = 0.05
"""In place of EARLY_SECONDS, for a refusal that comes later: no test waits for a second."""


def answers(
    status: str, body: bytes, *lines: bytes, kind: bytes = b"application/json"
) -> MakeScript:
    """Return a script that sends a whole answer with this status."""

    def make(_: RouteKind) -> Script:
        async def script(exchange: Exchange) -> None:
            head = (b"content-type: " + kind, *lines)
            await exchange.whole(body, *head, status=status.encode())

        return script

    return make


def works(make: MakeScript) -> MakeScript:
    """Return a script that works on the request for longer than a refusal before any work takes, and then answers."""

    def made(route: RouteKind) -> Script:
        answer = make(route)

        async def script(exchange: Exchange) -> None:
            await asyncio.sleep(row_attempts.EARLY_SECONDS + 0.2)
            await answer(exchange)

        return script

    return made


def error(message: str = MESSAGE, **fields: object) -> bytes:
    """Return an error body in the form of OpenAI and most other providers."""
    return json.dumps({"error": {"message": message, "type": "error", **fields}}).encode()


def refused(
    status: str,
    code: str,
    *,
    tries: int = 1,
    sdk_status: int | None = None,
    message: str = MESSAGE,
    body: bytes | None = None,
) -> Fault:
    """Return a plain error status. The account's route passes it; on other routes Codex receives a failed stream."""
    number = int(status.partition(" ")[0])
    outcome = failed(code, message)
    return Fault(
        name=str(number),
        what=f"answers {status}",
        script=answers(status, body or error()),
        account=both(passed(number)),
        native=Pair(outcome, passed(number)),
        translated=Pair(outcome, http(sdk_status or number, code, message)),
        requests=row_requests(tries),
        within=RETRIES if tries > 1 else IMMEDIATELY,
    )


def late(fault: Fault) -> Fault:
    """Return the same status after work. It is never sent again, because the work would be paid twice."""
    return replace(
        fault,
        name=f"{fault.name}-late",
        what=f"works on the request for more than {row_attempts.EARLY_SECONDS:g} s, then {fault.what}",
        script=works(fault.script),
        requests={},
        early_seconds=LATE_SECONDS,
        within=IMMEDIATELY,
    )


def limited(
    name: str,
    lines: tuple[bytes, ...],
    wait: str,
    retry_after: str,
    sdk_retry_after: str | None = None,
) -> Fault:
    """Return a 429 with a time to wait. `sdk_retry_after` is the header for SDKs, when the upstream sent another one."""
    message = f"try again in {wait}s"
    outcome = failed("rate_limit_exceeded", message)
    return Fault(
        name=name,
        what=f"answers 429 with `{lines[0].decode()}`" if lines else "answers 429",
        script=answers("429 Too Many Requests", error(), *lines),
        account=both(passed(429, retry_after=retry_after)),
        native=Pair(outcome, passed(429, retry_after=retry_after)),
        translated=Pair(
            outcome, http(429, "rate_limit_exceeded", message, sdk_retry_after or retry_after)
        ),
    )


def page(name: str, status: str, account: Pair, own: Pair, tries: int) -> Fault:
    """Return an HTML page of a proxy between shim and upstream."""
    return Fault(
        name=name,
        what=f"answers {status} with an HTML page",
        script=answers(status, PAGE, kind=b"text/html; charset=utf-8"),
        account=account,
        native=own,
        translated=own,
        requests=row_requests(tries),
        within=RETRIES if tries > 1 else IMMEDIATELY,
    )


def _usage_limit() -> Fault:
    body = error(
        "You've hit your usage limit.", type="usage_limit_reached", plan_type="plus", resets_at=1
    )
    outcome = failed("insufficient_quota", "usage limit")
    return Fault(
        name="429-usage-limit",
        what="answers 429 with `usage_limit_reached`",
        script=answers("429 Too Many Requests", body),
        account=both(passed(429, "usage_limit_reached")),
        native=Pair(outcome, passed(429, "usage_limit_reached")),
        translated=Pair(outcome, http(429, "insufficient_quota", "usage limit")),
    )


def _too_long() -> Fault:
    body = error("This model's maximum context length is 8 tokens.", code="context_length_exceeded")
    outcome = failed("context_length_exceeded", "too long")
    return Fault(
        name="400-context",
        what="answers 400: the conversation is too long",
        script=answers("400 Bad Request", body),
        account=both(passed(400)),
        native=Pair(outcome, passed(400)),
        translated=Pair(outcome, http(400, "context_length_exceeded", "too long")),
    )


def _redirect() -> Fault:
    lines = (b"location: http://127.0.0.1:1/elsewhere",)
    account = Pair(failed(STOP, "a redirect"), http(502, "upstream_redirect", "a redirect"))
    own = Pair(failed(STOP, "a redirect"), http(502, STOP, "a redirect"))
    return Fault(
        name="307",
        what="answers 307 with another location",
        script=answers("307 Temporary Redirect", b"", *lines),
        account=account,
        native=own,
        translated=own,
    )


OVERLOADED = "rate_limit_exceeded"
_BAD_GATEWAY: Expected = failed("server_error", "an HTML page")
REFUSALS: tuple[Fault, ...] = (
    refused("400 Bad Request", STOP),
    _too_long(),
    refused("401 Unauthorized", STOP, message="refused the key"),
    refused("403 Forbidden", STOP, message="does not allow"),
    refused("404 Not Found", STOP, message="does not know this model or path"),
    refused("408 Request Timeout", "upstream_timeout", tries=2, sdk_status=504),
    refused("409 Conflict", "upstream_timeout", tries=2, sdk_status=504),
    refused("413 Content Too Large", "context_length_exceeded"),
    refused("422 Unprocessable Content", STOP),
    limited("429", (), "10", ""),
    limited("429-retry-after", (b"retry-after: 7",), "7", "7"),
    limited("429-retry-after-ms", (b"retry-after-ms: 1500",), "1.5", "", "2"),
    limited("429-long-wait", (b"retry-after: 9000",), "120", "9000"),
    _usage_limit(),
    refused("500 Internal Server Error", "server_error", tries=3),
    refused("502 Bad Gateway", "server_error", tries=3),
    refused("503 Service Unavailable", OVERLOADED, tries=3, message="try again in 5s"),
    refused("504 Gateway Timeout", "upstream_timeout", tries=3),
    refused("529 Overloaded", OVERLOADED, tries=3, sdk_status=503, message="try again in 5s"),
    late(refused("408 Request Timeout", "upstream_timeout", sdk_status=504)),
    late(refused("500 Internal Server Error", "server_error")),
    late(refused("503 Service Unavailable", OVERLOADED, message="try again in 5s")),
    late(refused("504 Gateway Timeout", "upstream_timeout")),
    _redirect(),
    page(
        "502-html",
        "502 Bad Gateway",
        both(http(502, "upstream_html", "an HTML page")),
        Pair(_BAD_GATEWAY, http(502, "server_error", "an HTML page")),
        tries=3,
    ),
    page(
        "403-html",
        "403 Forbidden",
        both(http(403, "upstream_html", "an HTML page")),
        Pair(failed(STOP, "an HTML page"), http(403, STOP, "an HTML page")),
        tries=1,
    ),
    page(
        "200-html",
        "200 OK",
        Pair(failed("upstream_html", "an HTML page"), http(502, "upstream_html", "an HTML page")),
        Pair(_BAD_GATEWAY, http(502, "server_error", "an HTML page")),
        tries=1,
    ),
)
