"""Several models are asked by the shim's own port, against a server that a test plays."""

from __future__ import annotations

import asyncio
import json

import pytest

from addons.adapters.what_if import asking
from addons.adapters.what_if.asking import MAX_AT_ONCE, Shim, ask_models
from addons.core.routes import OneStepPlan, Route
from addons.core.turn import Answer as AnswerStep
from addons.core.turn import Head, Reply
from addons.core.what_if.answer import Answer
from addons.core.what_if.original import Original
from tests.core.what_if.samples import EVENTS, original, stream
from tests.support.upstream import Exchange, Script, upstream

PLAN = OneStepPlan(AnswerStep(Reply(Head(500), b"")))


def route(slug: str) -> Route:
    return Route(slug, slug, "deepseek", "m", {}, lambda *_: PLAN)


def answers_with(*events: object, label: str = "") -> Script:
    async def script(exchange: Exchange) -> None:
        header = (b"x-codex-shim-answered: " + json.dumps({"label": label}).encode(),)
        await exchange.sse_head(*(header if label else ()))
        await exchange.chunk(stream(*events))
        await exchange.end()

    return script


def refuses(status: bytes, code: str) -> Script:
    async def script(exchange: Exchange) -> None:
        body = json.dumps({"error": {"code": code, "message": "why"}}).encode()
        await exchange.whole(body, b"content-type: application/json", status=status)

    return script


async def asked(port: int, *slugs: str, turn: Original | None = None, token: str = "") -> list[Answer]:  # fmt: skip
    answers: list[Answer] = []
    shim = Shim(f"http://127.0.0.1:{port}", token)
    ended: list[Answer] = []
    await ask_models(shim, turn or original(), [route(slug) for slug in slugs], answers, ended.append)  # fmt: skip
    assert sorted(map(id, ended)) == sorted(map(id, answers)), "each is reported once"
    return answers


async def test_answers_come_in_the_order_of_the_models() -> None:
    async with upstream(answers_with(*EVENTS, label="Someone")) as up:
        answers = await asked(up.port, "a", "b", token="local-token")
    assert [one.slug for one in answers] == ["a", "b"]
    for one in answers:
        assert (one.text, one.outcome, one.label, len(one.calls)) == ("Hello.", "completed", "Someone", 2)  # fmt: skip
        assert one.first_seconds is not None
        assert one.seconds is not None
        assert one.first_seconds <= one.seconds
    assert sorted(json.loads(request.body)["model"] for request in up.requests) == ["a", "b"]
    (thread,) = {request.header(b"thread-id") for request in up.requests}
    for request in up.requests:
        assert request.header(b"x-codex-shim-token") == b"local-token"
        assert request.header(b"codex-shim-purpose") == b"what-if"
        assert request.header(b"session-id") == thread
        assert request.header(b"user-agent") == b"codex-shim"


async def test_model_that_fails_does_not_stop_the_others() -> None:
    async def by_model(exchange: Exchange) -> None:
        script = {
            "ok": answers_with(*EVENTS), "cut": answers_with(*EVENTS[:2]), "budget": refuses(b"429 No", "budget_exceeded"),
        }.get(json.loads(exchange.request.body)["model"])  # fmt: skip
        if script is None:
            exchange.cut()
        else:
            await script(exchange)

    async with upstream(by_model) as up:
        answers = await asked(up.port, "gone", "cut", "budget", "ok")
    found = [(one.outcome, one.code, one.text) for one in answers]
    assert found == [
        ("failed", "shim_unreachable", ""), ("cut", "answer_cut", "Hel"), ("failed", "budget_exceeded", ""), ("completed", "", "Hello."),
    ]  # fmt: skip
    closed = await asked(up.port, "a")
    assert closed[0].code == "shim_unreachable"


async def test_few_are_asked_at_once_and_a_stop_closes_their_connections() -> None:
    asking_now = asyncio.Semaphore(0)

    async def waits(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(stream(EVENTS[1]))
        asking_now.release()
        await exchange.closed()

    answers: list[Answer] = []
    async with upstream(waits) as up:
        shim, routes = Shim(f"http://127.0.0.1:{up.port}", ""), [route(str(n)) for n in range(6)]
        task = asyncio.ensure_future(ask_models(shim, original(), routes, answers))
        for _ in range(MAX_AT_ONCE):
            await asking_now.acquire()
        assert up.connections == MAX_AT_ONCE
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await up.gone.wait()
    assert {(one.outcome, one.code) for one in answers} == {("stopped", "not_awaited")}
    assert [one.text for one in answers] in ([*["Hel"] * 4, "", ""], [*[""] * 6])


async def test_key_that_is_on_its_way_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "POLL_SECONDS", 0.001)
    pending = refuses(b"503 Service Unavailable", "key_pending")
    async with upstream(pending, pending, answers_with(*EVENTS)) as up:
        (answer,) = await asked(up.port, "a")
    assert (answer.outcome, answer.code, answer.message) == ("completed", "", "")
    monkeypatch.setattr(asking, "KEY_SECONDS", 0.0)
    async with upstream(pending) as up:
        (answer,) = await asked(up.port, "a")
    assert answer.code == "key_pending"


async def test_request_that_cannot_be_written_is_a_failure_of_its_answer() -> None:
    deep = b'{"model":"row","input":' + b"[" * 400 + b"]" * 400 + b"}"
    async with upstream(answers_with(*EVENTS)) as up:
        for body in (deep, b"{"):
            (answer,) = await asked(up.port, "a", turn=original(body))
            assert (answer.code, up.requests) == ("bad_request", [])


def test_token_is_not_printed() -> None:
    assert "hush" not in repr(Shim("http://127.0.0.1:9", "hush"))
