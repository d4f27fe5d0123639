"""What a client gets of the backend's answers and of its failures."""

from __future__ import annotations

import pytest

from addons.core.headers import Headers
from addons.core.limits import Limits
from addons.core.providers.chatgpt import DEFAULT_BASE, BaseUrl
from addons.core.providers.passthrough import PassThrough
from addons.core.turn import Answer, Collect, Fault, FaultKind, Head, Relay, Step
from addons.core.wire.responses import Watcher
from tests.core.providers.chatgpt_turns import CODEX, ORIGIN, SDK, answer, plan_of, request, wire

SSE = (b"content-type", b"text/event-stream; charset=utf-8")
JSON = (b"content-type", b"application/json")


def on_head(head: Head, headers: Headers = CODEX, base: BaseUrl = DEFAULT_BASE) -> Step:
    plan = plan_of(request(headers), base=base)
    plan.start()
    return plan.on_head(head)


@pytest.mark.parametrize(
    ("status", "headers", "translator"),
    [
        (200, (SSE,), Watcher),
        (200, ((b"Content-Type", b"Text/Event-Stream"),), Watcher),
        (200, (SSE, (b"content-encoding", b"identity")), Watcher),
        (200, (SSE, (b"content-encoding", b"gzip")), PassThrough),
        (201, (SSE,), PassThrough),
        (200, (JSON,), PassThrough),
        (200, (), PassThrough),
        (400, (JSON,), PassThrough),
        (403, (SSE,), PassThrough),
        (429, (JSON, (b"retry-after", b"7")), PassThrough),
        (500, (JSON,), PassThrough),
        (503, ((b"content-type", b"text/plain"),), PassThrough),
        (204, ((b"content-type", b"text/html"),), PassThrough),
    ],
)
def test_an_answer_is_relayed_with_its_status_and_headers(
    status: int, headers: Headers, translator: type
) -> None:
    step = on_head(Head(status, headers))
    assert isinstance(step, Relay)
    assert step.head == Head(status, headers)
    assert isinstance(step.translator, translator)


def test_the_limits_headers_reach_the_client_and_the_framing_does_not() -> None:
    kept = (SSE, (b"x-codex-primary-used-percent", b"42"), (b"x-request-id", b"r"))
    framing = ((b"transfer-encoding", b"chunked"), (b"keep-alive", b"1"))
    step = on_head(Head(200, kept + framing))
    assert isinstance(step, Relay)
    assert step.head.headers == kept


def test_a_watched_stream_passes_and_is_closed_by_a_failure() -> None:
    step = on_head(Head(200, (SSE,)))
    assert isinstance(step, Relay)
    event = b'event: response.created\ndata: {"type":"response.created","response":{}}\n\n'
    assert step.translator.feed(event) == event
    assert not step.translator.terminal
    assert b"response.failed" in step.translator.finish()


def test_a_body_that_is_no_stream_passes_and_gets_nothing_added() -> None:
    step = on_head(Head(200, (JSON,)))
    assert isinstance(step, Relay)
    chunk = b'{"output":'
    assert step.translator.feed(chunk) is chunk
    assert not step.translator.terminal
    assert step.translator.finish() == b""
    assert step.translator.fail(Fault(FaultKind.CUT, "cut")) == b""


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308, 399])
@pytest.mark.parametrize("headers", [CODEX, SDK])
def test_a_redirect_is_never_followed(status: int, headers: Headers) -> None:
    location = (b"location", b"https://evil.example:8443/steal?token=1#x")
    told_status, code, message = answer(on_head(Head(status, (location,)), headers))
    expected = (200, "invalid_prompt") if headers is CODEX else (502, "upstream_redirect")
    assert (told_status, code) == expected
    assert "evil.example" in message
    assert "steal" not in message
    assert f"HTTP {status}" in message
    assert "codex-shim doctor" in message


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ((b"location", b"/elsewhere"), "to chatgpt.com."),
        ((b"x", b"y"), "to chatgpt.com."),
        ((b"location", b"https://[bad/"), "an unreadable address"),
        ((b"location", b"https://a\x1b[2J.example/"), "an unreadable address"),
        ((b"location", b"https://user:secret@host.example/"), "to host.example."),
    ],
)
def test_a_redirects_target_is_named_by_its_host_alone(
    location: tuple[bytes, bytes], named: str
) -> None:
    message = answer(on_head(Head(302, (location,))))[2]
    assert named in message
    assert "secret" not in message


HTML = (b"content-type", b"text/html; charset=UTF-8")
RAY = (b"cf-ray", b"8a1b2c3d4e5f-FRA")


@pytest.mark.parametrize(
    ("status", "headers", "body", "code"),
    [
        (403, (HTML, RAY), b"", "cloudflare_challenge"),
        (403, (HTML, (b"CF-Mitigated", b"challenge")), b"", "cloudflare_challenge"),
        (503, (HTML,), b"<title>Just a moment...</title>", "cloudflare_challenge"),
        (520, (HTML,), b"<h1>CloudFlare</h1>", "cloudflare_challenge"),
        (502, (HTML,), b"<h1>Bad gateway</h1>", "upstream_html"),
        (401, (HTML,), b"", "upstream_html"),
        (400, (HTML,), b"", "upstream_html"),
    ],
)
@pytest.mark.parametrize("client", [CODEX, SDK])
def test_an_html_error_becomes_json_with_the_same_status(
    status: int, headers: Headers, body: bytes, code: str, client: Headers
) -> None:
    plan = plan_of(request(client))
    plan.start()
    head = Head(status, (*headers, (b"retry-after", b"30"), (b"set-cookie", b"x")))
    assert plan.on_head(head) == Collect(Limits().error_body_bytes)
    step = plan.on_body(head, body)
    found = answer(step)
    assert found[:2] == (status, code)
    assert f"HTTP {status}" in found[2]
    assert "https://chatgpt.com in a browser" in found[2]
    assert isinstance(step, Answer)
    reply = step.reply.head
    assert reply.header(b"content-type") == b"application/json"
    assert reply.header(b"retry-after") == b"30"
    assert reply.header(b"set-cookie") is None
    if RAY in headers:
        assert reply.header(b"cf-ray") == RAY[1]
        assert RAY[1].decode() in found[2]


@pytest.mark.parametrize(("client", "status"), [(CODEX, 200), (SDK, 502)])
def test_an_html_page_in_the_place_of_an_answer_is_a_failure(client: Headers, status: int) -> None:
    plan = plan_of(request(client))
    plan.start()
    head = Head(200, (HTML,))
    assert isinstance(plan.on_head(head), Collect)
    assert answer(plan.on_body(head, b"<html>"))[:2] == (status, "upstream_html")


def test_an_odd_ray_or_retry_after_is_not_repeated() -> None:
    plan = plan_of(request())
    plan.start()
    head = Head(403, (HTML, (b"cf-ray", b"a\x1b[2Jb"), (b"retry-after", b"1\x00")))
    step = plan.on_body(head, b"")
    assert isinstance(step, Answer)
    assert step.reply.head.header(b"cf-ray") is None
    assert step.reply.head.header(b"retry-after") is None
    assert "cf-ray not given" in answer(step)[2]


@pytest.mark.parametrize("kind", FaultKind)
@pytest.mark.parametrize("client", [CODEX, SDK])
def test_a_fault_is_told(kind: FaultKind, client: Headers) -> None:
    plan = plan_of(request(client))
    plan.start()
    status, _, message = answer(plan.on_fault(Fault(kind, "the detail", ORIGIN)))
    assert status == 200 if client is CODEX else status >= 500
    assert message


def test_a_lost_connection_is_tried_once_more_with_the_same_request() -> None:
    plan = plan_of(request())
    first = wire(plan.start())
    reset = Fault(FaultKind.RESET, "closed", ORIGIN, reused=True)
    assert wire(plan.on_fault(reset)) is first
    status, code, message = answer(plan.on_fault(reset))
    assert (status, code) == (200, "upstream_closed")
    assert "https://chatgpt.com" in message


def test_304_is_an_answer_and_no_redirect() -> None:
    step = on_head(Head(304, ((b"etag", b'"a"'),)))
    assert isinstance(step, Relay)
    assert step.head == Head(304, ((b"etag", b'"a"'),))
