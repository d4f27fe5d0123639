"""Error messages of the ChatGPT route: redirects, HTML pages, and the code that each client gets."""

from __future__ import annotations

import pytest

from addons.core.codex.login import LoginKind, LoginProblem
from addons.core.headers import Headers
from addons.core.limits import Limits
from addons.core.providers.chatgpt_problems import (
    bad_header_problem,
    login_problem,
    unknown_path_problem,
)
from addons.core.turn import Answer, Collect, Head, Step
from tests.core.providers.chatgpt_turns import CODEX, SDK, answer, plan_of, request

HTML = (b"content-type", b"text/html; charset=UTF-8")
RAY = (b"cf-ray", b"8a1b2c3d4e5f-FRA")


def on_head(head: Head) -> Step:
    plan = plan_of(request())
    plan.start()
    return plan.on_head(head)


@pytest.mark.parametrize("kind", LoginKind)
def test_missing_login_has_its_own_code_for_sdks(kind: LoginKind) -> None:
    missing = LoginProblem(kind, "Run `codex login`.")
    for headers, code in ((CODEX, "invalid_prompt"), (SDK, f"login_{kind}")):
        problem = login_problem(request(headers), missing)
        assert (problem.status, problem.code, problem.message) == (401, code, "Run `codex login`.")


def test_unknown_path_names_the_paths_that_are_forwarded() -> None:
    for headers, code in ((CODEX, "invalid_prompt"), (SDK, "unknown_path")):
        problem = unknown_path_problem(request(headers))
        assert (problem.status, problem.code) == (404, code)
        assert "/v1/responses and /v1/responses/compact" in problem.message


def test_invalid_header_is_named() -> None:
    problem = bad_header_problem("x-odd")
    assert (problem.status, problem.code) == (400, "invalid_prompt")
    assert "its header x-odd has an invalid name" in problem.message


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
def test_redirect_target_is_named_by_its_host_only(
    location: tuple[bytes, bytes], named: str
) -> None:
    message = answer(on_head(Head(302, (location,))))[2]
    assert named in message
    assert "secret" not in message


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
def test_html_error_becomes_json_with_the_same_status(
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
def test_html_page_with_status_200_is_a_failure(client: Headers, status: int) -> None:
    plan = plan_of(request(client))
    plan.start()
    head = Head(200, (HTML,))
    assert isinstance(plan.on_head(head), Collect)
    assert answer(plan.on_body(head, b"<html>"))[:2] == (status, "upstream_html")


def test_invalid_ray_and_retry_after_are_not_repeated() -> None:
    plan = plan_of(request())
    plan.start()
    head = Head(403, (HTML, (b"cf-ray", b"a\x1b[2Jb"), (b"retry-after", b"1\x00")))
    step = plan.on_body(head, b"")
    assert isinstance(step, Answer)
    assert step.reply.head.header(b"cf-ray") is None
    assert step.reply.head.header(b"retry-after") is None
    assert "cf-ray not given" in answer(step)[2]
