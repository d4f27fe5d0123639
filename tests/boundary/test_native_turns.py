"""Rows that speak the Responses API themselves, and the rows that answer in the place of another one."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Callable
from dataclasses import replace

import orjson
import pytest

from addons.core.limits import Limits
from addons.core.providers.fallback import Fallbacks
from addons.core.providers.responses import ResponsesProvider
from addons.core.routes import Route
from addons.core.secrets import Origin
from addons.core.turn import ClientRequest, Plan
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target
from tests.boundary.row_turns import (
    CODEX,
    EACH_CLIENT,
    KEY,
    SDK,
    Key,
    UpstreamAnswers,
    ask,
    body,
    plans,
    says,
    terminal,
)
from tests.boundary.scripts import answer
from tests.conformance import parse
from tests.support.client import client
from tests.support.engine import QUICK, engine
from tests.support.upstream import Exchange, Script, upstream
from tests.support.waiting import within

NATIVE_DONE = (
    b'event: response.completed\ndata: {"type":"response.completed","response":{"id":"r"}}\n\n'
)


def native(port: int, limits: Limits = QUICK) -> ResponsesProvider:
    origin = Origin("http", "127.0.0.1", port)
    target = Target("row", "Row", "fake", "big", Protocol.RESPONSES, origin, "/v1/responses")
    return ResponsesProvider(target=target, key=Key(origin), clock=lambda: 0.0, limits=limits)


def native_plans(
    port: int, *fallbacks: Route, limits: Limits = QUICK
) -> Callable[[ClientRequest], Plan]:
    make = Fallbacks(time.time).maker(native(port, limits).plan, lambda: fallbacks)
    route = Route("row", "Row", "fake", "big", {}, make)
    return lambda request: make(request, route)


@EACH_CLIENT
async def test_a_native_turn_passes_byte_for_byte(who: bytes) -> None:
    async with (
        upstream(says(NATIVE_DONE)) as up,
        engine(native_plans(up.port)) as proxy,
        client(proxy.port) as c,
    ):
        response = await ask(c, who)
    assert response.body == NATIVE_DONE
    (received,) = up.requests
    assert received.body == body().replace(b'"row"', b'"big"')
    assert received.header(b"authorization") == b"Bearer " + KEY
    name, _, value = who.partition(b": ")
    assert received.header(name) == value


def of_unknown_length(*parts: bytes, lines: tuple[bytes, ...] = (), gate: asyncio.Event) -> Script:
    """An answer whose head says neither a length nor that it is a stream. Its last part waits for the gate."""

    async def script(exchange: Exchange) -> None:
        await exchange.head(*lines, b"transfer-encoding: chunked")
        for part in parts[:-1]:
            await exchange.chunk(part)
        await within(gate)
        await exchange.chunk(parts[-1])
        await exchange.end()

    return script


@EACH_CLIENT
async def test_stream_without_a_type_comes_as_it_is_sent(who: bytes) -> None:
    gate = asyncio.Event()
    first = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"hi"}\n\n'
    async with (
        upstream(of_unknown_length(first, NATIVE_DONE, gate=gate)) as up,
        engine(native_plans(up.port)) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", body(), who)
        response = await c.head()
        assert await c.chunk() == first
        gate.set()
        response = await c.rest(response)
    assert response.complete
    assert response.body == NATIVE_DONE


def pieces(document: bytes) -> list[bytes]:
    return [document[at : at + 1000] for at in range(0, len(document), 1000)]


LARGE = b'{"output":"%s"}' % (b"x" * 5000)
GZIP = b"content-encoding: gzip"


@pytest.mark.parametrize(
    ("document", "coding"),
    [
        (LARGE, ()),
        (b" " * 100 + LARGE, ()),
        (gzip.compress(LARGE), (GZIP,)),
        (b"\x01\x02", (b"content-encoding: br",)),
    ],
    ids=["large", "blanks first", "gzip", "brotli"],
)
@EACH_CLIENT
async def test_document_of_unknown_length_passes_whole(
    who: bytes, document: bytes, coding: tuple[bytes, ...]
) -> None:
    gate = asyncio.Event()
    gate.set()
    lines = (b"content-type: application/json", *coding)
    script = of_unknown_length(*pieces(document), lines=lines, gate=gate)
    limits = replace(QUICK, event_bytes=2000)
    async with (
        upstream(script) as up,
        engine(native_plans(up.port, limits=limits), limits) as proxy,
        client(proxy.port) as c,
    ):
        response = await ask(c, who)
    assert response.complete
    assert response.body == document
    assert response.header(b"content-encoding") == (coding[0].split()[-1] if coding else None)


async def test_a_native_401_stays_one_only_to_other_clients() -> None:
    async with (
        upstream(answer(b"401 Unauthorized", b'{"error":{"message":"no"}}')) as up,
        engine(native_plans(up.port)) as proxy,
        client(proxy.port) as c,
    ):
        codex, sdk = await ask(c, CODEX), await ask(c, SDK)
    assert parse(codex.body)[-1]["response"]["error"]["code"] == "invalid_prompt"
    assert (sdk.status, sdk.body) == (401, b'{"error":{"message":"no"}}')


@EACH_CLIENT
async def test_another_row_answers_and_is_named(answers: UpstreamAnswers, who: bytes) -> None:
    async with (
        upstream(answer(b"429 Too Many Requests")) as busy,
        upstream(says(answers.text, answers.end)) as up,
    ):
        other = plans(answers, up.port)
        second = Route("second", "Second", "fake", "big", {}, lambda request, _: other(request))
        async with engine(native_plans(busy.port, second)) as proxy, client(proxy.port) as c:
            response = await ask(c, who)
    assert terminal(response)["type"] == "response.completed"
    assert response.header(b"x-codex-shim-fallback") == b"row -> second"
    assert (len(busy.requests), len(up.requests)) == (1, 1)


@pytest.mark.parametrize("part", [b"", b"\r\n"], ids=["empty", "blank"])
@pytest.mark.parametrize(
    "lines", [(), (b"content-type: application/json",)], ids=["no type", "JSON"]
)
@EACH_CLIENT
async def test_answer_whose_body_turns_out_empty_is_a_failure(
    who: bytes, lines: tuple[bytes, ...], part: bytes
) -> None:
    """Its head announces neither a length nor a stream. Passed on, it would leave the client without a terminal event."""

    async def says_nothing(exchange: Exchange) -> None:
        await exchange.head(*lines, b"transfer-encoding: chunked")
        if part:
            await exchange.chunk(part)
        await exchange.end()

    async with (
        upstream(says_nothing) as up,
        engine(native_plans(up.port)) as proxy,
        client(proxy.port) as c,
    ):
        response = await ask(c, who)
    assert response.complete
    assert b"stream_interrupted" in response.body
    assert response.body.count(b'"type":"response.failed"') == (who == CODEX)
    assert response.status == (200 if who == CODEX else 502)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (b'{"error":{"message":"litellm.RateLimitError: slow down","code":"429"}}', "rate_limit_exceeded"),
        (b'{"error": {"message": "prompt is too long: 3 > 2", "code": "400"}}', "context_length_exceeded"),
        (b'{"error":{"message":"the engine died","type":"InternalServerError"}}', "server_error"),
    ],
    ids=["rate", "length", "server"],
)  # fmt: skip
@EACH_CLIENT
async def test_error_that_is_no_event_of_the_api_ends_the_stream(
    who: bytes, error: bytes, code: str
) -> None:
    """LiteLLM and vLLM write it into a stream that has begun. Its words are the only ones about the failure."""
    begun = (
        b'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_1"}}\n\n'
    )
    async with (
        upstream(says(begun, b"data: " + error + b"\n\ndata: [DONE]\n\n")) as up,
        engine(native_plans(up.port)) as proxy,
        client(proxy.port) as c,
    ):
        response = await ask(c, who)
    last = orjson.loads(response.body.strip().rpartition(b"data: ")[2])
    assert last["type"] == "response.failed"
    assert last["response"]["id"] == "resp_1"
    assert last["response"]["error"]["code"] == code
    assert orjson.loads(error)["error"]["message"] in last["response"]["error"]["message"]
    assert len(up.requests) == 1


@EACH_CLIENT
async def test_event_whose_error_is_null_does_not_explain_a_cut(who: bytes) -> None:
    """Many servers write the type of an event last. What the response repeats of the request is no error."""
    begun = b'data: {"response":{"id":"resp_1","error":null},"type":"response.created"}\n\n'
    progress = b'data: {"response":{"id":"resp_1","error":null,"instructions":"The prompt is too long."},"type":"response.in_progress"}\n\n'
    untyped = b'data: {"message":"The prompt is too long.","error":null}\n\n'
    typed = b'data: {"error":"The prompt is too long.","type":"response.warning"}\n\n'
    async with (
        upstream(says(begun, progress, untyped, typed)) as up,
        engine(native_plans(up.port)) as proxy,
        client(proxy.port) as c,
    ):
        response = await ask(c, who)
    assert b"stream_interrupted" in response.body
    assert b"context_length_exceeded" not in response.body
