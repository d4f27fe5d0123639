"""Faults before the stream: the upstream refuses with a status, a redirect or a page."""

from __future__ import annotations

import json

from tests.faults.fault import OWN_TRIES, Fault, MakeScript, ours
from tests.faults.outcomes import Pair, Told, both, failed, http, passed
from tests.faults.routes import RouteKind
from tests.support.upstream import Exchange, Script

SAID = "words of the upstream"
PAGE = b"<!doctype html><html><head><title>Bad gateway</title></head></html>"
STOP = "invalid_prompt"


def answers(
    status: str, body: bytes, *lines: bytes, kind: bytes = b"application/json"
) -> MakeScript:
    """A whole answer of this status."""

    def make(_: RouteKind) -> Script:
        async def script(exchange: Exchange) -> None:
            head = (b"content-type: " + kind, *lines)
            await exchange.whole(body, *head, status=status.encode())

        return script

    return make


def error(message: str = SAID, **fields: object) -> bytes:
    """An error body as OpenAI and most others shape it."""
    return json.dumps({"error": {"message": message, "type": "error", **fields}}).encode()


def refused(
    status: str,
    code: str,
    *,
    tries: int = 1,
    sdk_status: int | None = None,
    says: str = SAID,
    body: bytes | None = None,
) -> Fault:
    """A plain refusal: the account's route passes it, Codex gets a failed stream on the others."""
    number = int(status.partition(" ")[0])
    told = failed(code, says)
    return Fault(
        name=str(number),
        what=f"answers {status}",
        script=answers(status, body or error()),
        account=both(passed(number)),
        native=Pair(told, passed(number)),
        translated=Pair(told, http(sdk_status or number, code, says)),
        requests=ours(tries),
        within=OWN_TRIES if tries > 1 else "at once",
    )


def limited(
    name: str, lines: tuple[bytes, ...], wait: str, retry_after: str, told_after: str | None = None
) -> Fault:
    """A 429 that says how long to wait. `told_after`: what SDKs are told, when the header was another one."""
    says = f"try again in {wait}s"
    told = failed("rate_limit_exceeded", says)
    return Fault(
        name=name,
        what=f"answers 429 with `{lines[0].decode()}`" if lines else "answers 429",
        script=answers("429 Too Many Requests", error(), *lines),
        account=both(passed(429, retry_after=retry_after)),
        native=Pair(told, passed(429, retry_after=retry_after)),
        translated=Pair(told, http(429, "rate_limit_exceeded", says, told_after or retry_after)),
    )


def page(name: str, status: str, account: Pair, own: Pair, tries: int) -> Fault:
    """An HTML page, from a proxy on the way."""
    return Fault(
        name=name,
        what=f"answers {status} with an HTML page",
        script=answers(status, PAGE, kind=b"text/html; charset=utf-8"),
        account=account,
        native=own,
        translated=own,
        requests=ours(tries),
        within=OWN_TRIES if tries > 1 else "at once",
    )


def _usage_limit() -> Fault:
    body = error(
        "You've hit your usage limit.", type="usage_limit_reached", plan_type="plus", resets_at=1
    )
    told = failed("insufficient_quota", "usage limit")
    return Fault(
        name="429-usage-limit",
        what="answers 429 with `usage_limit_reached`",
        script=answers("429 Too Many Requests", body),
        account=both(passed(429, "usage_limit_reached")),
        native=Pair(told, passed(429, "usage_limit_reached")),
        translated=Pair(told, http(429, "insufficient_quota", "usage limit")),
    )


def _too_long() -> Fault:
    body = error("This model's maximum context length is 8 tokens.", code="context_length_exceeded")
    told = failed("context_length_exceeded", "too long")
    return Fault(
        name="400-context",
        what="answers 400: the conversation is too long",
        script=answers("400 Bad Request", body),
        account=both(passed(400)),
        native=Pair(told, passed(400)),
        translated=Pair(told, http(400, "context_length_exceeded", "too long")),
    )


def _redirect() -> Fault:
    lines = (b"location: http://127.0.0.1:1/elsewhere",)
    account = Pair(failed(STOP, "a redirect"), http(502, "upstream_redirect", "a redirect"))
    own = Pair(failed(STOP, "a redirect"), http(502, STOP, "a redirect"))
    return Fault(
        name="307",
        what="answers 307 to another place",
        script=answers("307 Temporary Redirect", b"", *lines),
        account=account,
        native=own,
        translated=own,
    )


OVERLOADED = "rate_limit_exceeded"
_BAD_GATEWAY: Told = failed("server_error", "an HTML page")
REFUSALS: tuple[Fault, ...] = (
    refused("400 Bad Request", STOP),
    _too_long(),
    refused("401 Unauthorized", STOP, says="refused the key"),
    refused("403 Forbidden", STOP, says="does not allow"),
    refused("404 Not Found", STOP, says="does not know this model or path"),
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
    refused("503 Service Unavailable", OVERLOADED, tries=3, says="try again in 5s"),
    refused("504 Gateway Timeout", "upstream_timeout", tries=3),
    refused("529 Overloaded", OVERLOADED, tries=3, sdk_status=503, says="try again in 5s"),
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
