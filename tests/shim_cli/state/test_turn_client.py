"""The client against a server whose every byte the test decides."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from addons.core.headers import TOKEN_HEADER
from addons.core.usage import Usage
from shim_cli.state import turn_client
from shim_cli.state.turn_client import CUT, UNREACHABLE, ShimClient, ToolCall, TurnProblem
from tests.fakes.http_messages import Answer, Cut, Request, Send
from tests.fakes.http_server import HttpServer
from tests.support.ports import free_port

Serve = Callable[..., tuple[ShimClient, HttpServer]]
USAGE = {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:

        def serving(*answers: Answer) -> tuple[ShimClient, HttpServer]:
            script = iter(answers)
            server = stack.enter_context(HttpServer(lambda _: next(script)))
            return ShimClient(f"http://127.0.0.1:{server.port}", "local-token"), server

        yield serving


def event(kind: str, **fields: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (
        kind.encode(),
        json.dumps({"type": kind, **fields}).encode(),
    )


def delta(text: str) -> bytes:
    return event("response.output_text.delta", delta=text)


def stream(*parts: bytes | Cut) -> Answer:
    actions = tuple(Send(part) if isinstance(part, bytes) else part for part in parts)
    return Answer(actions, headers=((b"content-type", b"text/event-stream"),))


COMPLETED = event("response.completed", response={"status": "completed", "usage": USAGE})


def test_text_arrives_in_parts_and_the_turn_has_its_usage(serve: Serve) -> None:
    text = delta("grüß")
    client, server = serve(stream(delta("one "), text[:30], text[30:], COMPLETED))
    parts: list[str] = []

    result = client.run("slug", "hi", parts.append)

    assert parts == ["one ", "grüß"]
    assert (result.text, result.usage, result.problem) == ("one grüß", Usage(5, 0, 2, 0, 7), None)
    assert result.first_text_seconds is not None
    assert 0 < result.first_text_seconds <= result.seconds
    request: Request = server.requests[0]
    assert request.header(TOKEN_HEADER) == "local-token"
    body = json.loads(request.body)
    assert (body["model"], body["stream"], body["store"]) == ("slug", True, False)
    assert body["input"][0]["content"] == [{"type": "input_text", "text": "hi"}]


def test_calls_are_collected(serve: Serve) -> None:
    items = (
        {"type": "function_call", "name": "shell", "arguments": '{"cmd":"ls"}'},
        {"type": "custom_tool_call", "name": "apply_patch", "input": "*** Begin"},
        {"type": "web_search_call"},
        {"type": "message"},
    )
    done = [event("response.output_item.done", item=item) for item in items]
    client, _ = serve(stream(*done, COMPLETED))

    result = client.run("slug", "hi", lambda _: None)

    assert result.calls == [
        ToolCall("shell", '{"cmd":"ls"}'),
        ToolCall("apply_patch", "*** Begin"),
        ToolCall("web_search_call", ""),
    ]


def test_refused_turn_has_the_message_of_the_shim(serve: Serve) -> None:
    body = json.dumps({"error": {"message": "no login", "code": "login_missing"}}).encode()
    client, _ = serve(Answer((Send(body),), status=401, chunked=False))

    assert client.run("s", "hi", print).problem == TurnProblem("login_missing", "no login")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"error": "text"}'])
def test_refusal_without_an_error_object_has_its_status(serve: Serve, body: bytes) -> None:
    client, _ = serve(Answer((Send(body),), status=502, chunked=False))

    assert client.run("s", "hi", print).problem == TurnProblem(
        "502", "codex-shim answered with status 502"
    )


@pytest.mark.parametrize(
    ("end", "code", "message"),
    [
        (event("response.failed", response={"error": {"code": "server_error", "message": "m"}}), "server_error", "m"),
        (event("response.failed", response={}), "failed", "no reason given"),
        (event("response.incomplete", response={"incomplete_details": {"reason": "max_output_tokens"}}),
         "incomplete", "the answer is incomplete: max_output_tokens"),
        (b"", CUT, "codex-shim ended the answer before its last event"),
        (b"data: {broken\n\n", CUT, "codex-shim ended the answer before its last event"),
    ],
)  # fmt: skip
def test_failed_turn_keeps_its_text_and_has_a_problem(
    serve: Serve, end: bytes, code: str, message: str
) -> None:
    client, _ = serve(stream(delta("half"), *([end] if end else [])))

    result = client.run("s", "hi", lambda _: None)

    assert (result.text, result.problem) == ("half", TurnProblem(code, message))


@pytest.mark.parametrize("cut", [Cut(), Cut(reset=True)])
def test_cut_connection_is_a_problem(serve: Serve, cut: Cut) -> None:
    client, _ = serve(stream(delta("half"), cut))

    problem = client.run("s", "hi", lambda _: None).problem

    assert problem is not None
    assert problem.code == CUT


def test_shim_that_does_not_answer_is_a_problem() -> None:
    client = ShimClient(f"http://127.0.0.1:{free_port()}", "")

    problem = client.run("s", "hi", lambda _: None).problem

    assert problem == TurnProblem(UNREACHABLE, "codex-shim did not answer: nothing listens there")


def test_turn_waits_for_the_key_of_a_command(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_client, "POLL_SECONDS", 0.0)
    pending = json.dumps({"error": {"message": "wait", "code": "key_pending"}}).encode()
    refused = Answer((Send(pending),), status=503, chunked=False)
    client, server = serve(refused, refused, stream(delta("hi"), COMPLETED))

    result = client.run("s", "hi", lambda _: None)

    assert (result.text, result.problem) == ("hi", None)
    assert len(server.requests) == 3
