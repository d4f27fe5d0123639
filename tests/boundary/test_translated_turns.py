"""Translated turns over real sockets: how upstreams behave, and that no client gets more than they said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import orjson
import pytest

from tests.boundary.row_turns import (
    CODEX,
    EACH_CLIENT,
    KEY,
    SDK,
    UpstreamAnswers,
    ask,
    body,
    breaks_off,
    done_items,
    line,
    says,
    terminal,
)
from tests.boundary.scripts import HEARTBEAT, answer
from tests.conformance import parse
from tests.support.engine import QUICK
from tests.support.upstream import Exchange, Script
from tests.support.waiting import within

WAIT = "try again in 7s"


@EACH_CLIENT
async def test_a_whole_turn(answers: UpstreamAnswers, who: bytes) -> None:
    async with line(answers, says(answers.text, answers.end)) as (c, up):
        response = await ask(c, who)
    last = terminal(response)
    assert last["type"] == "response.completed"
    assert last["response"]["output"][0]["content"][0]["text"] == "hello"
    assert last["response"]["usage"] == {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 90, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 105,
    }
    assert response.header(b"x-request-id") == b"up-1"
    (received,) = up.requests
    assert received.line == b"POST %s HTTP/1.1" % answers.path.encode()
    assert received.header(b"authorization") == b"Bearer " + KEY
    assert received.header(b"originator") is None


@EACH_CLIENT
async def test_a_clean_end_in_the_middle_of_text_is_a_failure(
    answers: UpstreamAnswers, who: bytes
) -> None:
    async with line(answers, says(answers.text)) as (c, _):
        last = terminal(await ask(c, who))
    assert last["type"] == "response.failed"
    assert last["response"]["error"]["code"] == "stream_interrupted"


@EACH_CLIENT
async def test_a_connection_that_ends_in_the_middle_of_text_is_a_failure(
    answers: UpstreamAnswers, who: bytes
) -> None:
    async with line(answers, breaks_off(answers.text)) as (c, up):
        last = terminal(await ask(c, who))
    assert last["response"]["error"]["code"] == "stream_interrupted"
    assert len(up.requests) == 1


@EACH_CLIENT
async def test_an_error_inside_a_200_stream_is_a_failure(
    answers: UpstreamAnswers, who: bytes
) -> None:
    async with line(answers, says(answers.text, answers.error)) as (c, _):
        last = terminal(await ask(c, who))
    assert last["type"] == "response.failed"
    assert "overloaded" in last["response"]["error"]["message"]


@EACH_CLIENT
@pytest.mark.parametrize("end", [says, breaks_off])
async def test_half_a_call_is_never_delivered(
    answers: UpstreamAnswers, who: bytes, end: Callable[..., Script]
) -> None:
    async with line(answers, end(answers.call)) as (c, _):
        response = await ask(c, who)
    assert terminal(response)["type"] == "response.failed"
    assert done_items(response) == []


async def test_the_wait_of_a_429_is_kept(answers: UpstreamAnswers) -> None:
    async def too_fast(exchange: Exchange) -> None:
        await exchange.whole(b"{}", b"retry-after: 7", status=b"429 Too Many Requests")

    async with line(answers, too_fast) as (c, up):
        codex, sdk = await ask(c, CODEX), await ask(c, SDK)
    assert WAIT in terminal(codex)["response"]["error"]["message"]
    assert terminal(codex)["response"]["error"]["code"] == "rate_limit_exceeded"
    assert (sdk.status, sdk.header(b"retry-after")) == (429, b"7")
    assert len(up.requests) == 2


async def test_a_refused_key_is_no_401_to_codex(answers: UpstreamAnswers) -> None:
    async with line(answers, answer(b"401 Unauthorized")) as (c, up):
        codex, sdk = await ask(c, CODEX), await ask(c, SDK)
    assert (codex.status, sdk.status) == (200, 401)
    assert terminal(codex)["response"]["error"]["code"] == "invalid_prompt"
    assert KEY not in codex.body + sdk.body
    assert len(up.requests) == 2


@EACH_CLIENT
async def test_trouble_before_the_answer_is_not_noticed(
    answers: UpstreamAnswers, who: bytes
) -> None:
    good = says(answers.text, answers.end)
    async with line(answers, answer(b"503 Busy"), good) as (c, up):
        assert terminal(await ask(c, who))["type"] == "response.completed"
    assert up.requests[0].body == up.requests[1].body


@EACH_CLIENT
async def test_an_answer_that_is_no_stream_is_translated_all_the_same(
    answers: UpstreamAnswers, who: bytes
) -> None:
    async with line(answers, answer(b"200 OK", answers.whole)) as (c, _):
        streamed, whole = await ask(c, who), await ask(c, who, stream=False)
    response = terminal(streamed)["response"]
    assert response["output"][0]["content"][0]["text"] == "hello"
    assert orjson.loads(whole.body)["usage"] == response["usage"]


async def test_client_gets_a_response_head_before_the_upstream_answers(
    answers: UpstreamAnswers,
) -> None:
    """Codex waits without limit for a head, and shows nothing meanwhile."""
    gate = asyncio.Event()

    async def thinks(exchange: Exchange) -> None:
        await exchange.sse_head()
        await within(gate)
        await exchange.chunk(answers.text + answers.end)
        await exchange.end()

    async with line(answers, thinks) as (c, _):
        await c.post("/v1/responses", body(), CODEX)
        head = await c.head()
        opening = await c.chunk()
        gate.set()
        response = await c.rest(head)
    assert [event["type"] for event in parse(opening)] == [
        "response.created",
        "response.in_progress",
    ]
    response.body = opening + response.body
    assert terminal(response)["type"] == "response.completed"


@EACH_CLIENT
async def test_silent_upstream_is_reported(answers: UpstreamAnswers, who: bytes) -> None:
    async def stalls(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(answers.text)
        await exchange.closed()

    async with line(answers, stalls, limits=replace(QUICK, stall_seconds=1.0)) as (c, _):
        response = await ask(c, who)
    assert HEARTBEAT in response.body
    assert terminal(response)["response"]["error"]["code"] == "upstream_stalled"


async def test_a_turn_without_streaming(answers: UpstreamAnswers) -> None:
    async with line(answers, says(answers.text, answers.end), says(answers.text)) as (c, _):
        good, cut = await ask(c, SDK, stream=False), await ask(c, SDK, stream=False)
    assert orjson.loads(good.body)["status"] == "completed"
    assert (cut.status, orjson.loads(cut.body)["error"]["code"]) == (502, "stream_interrupted")


async def test_what_was_answered_can_be_referred_to(answers: UpstreamAnswers) -> None:
    async with line(answers, says(answers.text, answers.end)) as (c, up):
        first = terminal(await ask(c, SDK))["response"]
        item = {"type": "item_reference", "id": first["output"][0]["id"]}
        again = {"role": "user", "content": "again"}
        chained = await ask(c, SDK, input="again", previous_response_id=first["id"])
        named = await ask(c, SDK, input=[{"role": "user", "content": "hi"}, item, again])
        lost = await ask(c, SDK, previous_response_id="resp_lost")
    assert terminal(chained)["response"]["previous_response_id"] == first["id"]
    assert terminal(named)["type"] == "response.completed"
    assert up.requests[1].body == up.requests[2].body
    assert b"hello" in up.requests[1].body
    assert (lost.status, b"store: false" in lost.body) == (400, True)


async def test_a_redirect_goes_nowhere(answers: UpstreamAnswers) -> None:
    async def elsewhere(exchange: Exchange) -> None:
        location = b"location: http://127.0.0.1:1/x"
        await exchange.whole(b"", location, status=b"307 Temporary Redirect")

    async with line(answers, elsewhere) as (c, up):
        assert (await ask(c, SDK)).status == 502
    assert len(up.requests) == 1


async def test_compaction_both_ways(answers: UpstreamAnswers) -> None:
    async with line(answers, says(answers.text, answers.end)) as (c, _):
        trigger = [{"role": "user", "content": "hi"}, {"type": "compaction_trigger"}]
        streamed = await ask(c, CODEX, input=trigger)
        await c.post("/v1/responses/compact", body(input="hi"), CODEX)
        unary = await c.response()
        (item,) = orjson.loads(unary.body)["output"]
        later = await ask(c, CODEX, input=[item, {"role": "user", "content": "go on"}])
    assert orjson.loads(unary.body)["object"] == "response.compaction"
    assert orjson.loads(unary.body)["usage"]["input_tokens"] == 100
    assert done_items(streamed) == ["compaction"]
    assert parse(streamed.body)[-1]["type"] == "response.completed"
    assert terminal(later)["type"] == "response.completed"
