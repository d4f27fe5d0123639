"""Upstreams that complete an answer and do not end their stream: the turn ends a short time after the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

import pytest

from tests.boundary.row_turns import (
    ANSWERS_BY_PROTOCOL,
    CODEX,
    EACH_CLIENT,
    ask,
    chunk,
    line,
    message_end,
    sse,
    terminal,
)
from tests.support.engine import QUICK
from tests.support.upstream import Exchange, Script
from tests.support.waiting import within

PATIENT = replace(QUICK, heartbeat_seconds=30, stall_seconds=30, linger_seconds=0.2)
"""Only the time after the answer is short."""
COMMENT = b": keep-alive\n\n"
USAGE = {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105}
USED = sse({"choices": [], "usage": USAGE})
DONE = b"data: [DONE]\n\n"


def keeps_open(*parts: bytes, gaps: Iterable[bytes] = (COMMENT,)) -> Script:
    """Send these parts, then the gaps again and again, and never end the body."""

    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        for part in parts:
            await exchange.chunk(part)
        with suppress(ConnectionError):
            while not exchange.writer.is_closing():
                for gap in gaps:
                    await exchange.chunk(gap)
                await asyncio.sleep(0.02)

    return script


@EACH_CLIENT
@pytest.mark.parametrize("protocol", ["chat", "messages"])
async def test_answer_completes_although_only_heartbeats_follow(protocol: str, who: bytes) -> None:
    answers = ANSWERS_BY_PROTOCOL[protocol]
    reason = chunk(finish="stop") if protocol == "chat" else message_end("end_turn")[0]
    async with line(answers, keeps_open(answers.text, sse(reason)), limits=PATIENT) as (c, up):
        last = terminal(await ask(c, who))
        await within(up.gone)
    assert last["type"] == "response.completed"
    assert last["response"]["output"][0]["content"][0]["text"] == "hello"


@pytest.mark.parametrize(
    "parts",
    [
        (sse(chunk(finish="stop")), USED),
        (sse(chunk(finish="stop")), DONE, USED),
        (sse(chunk(finish="stop")) + DONE + USED,),
    ],
)
async def test_usage_after_the_stop_reason_is_read(parts: tuple[bytes, ...]) -> None:
    answers = ANSWERS_BY_PROTOCOL["chat"]
    async with line(answers, keeps_open(answers.text, *parts), limits=PATIENT) as (c, _):
        last = terminal(await ask(c, CODEX))
    assert last["type"] == "response.completed"
    assert last["response"]["usage"]["total_tokens"] == 105


async def test_answer_without_usage_completes_behind_its_end_mark() -> None:
    answers = ANSWERS_BY_PROTOCOL["chat"]
    script = keeps_open(answers.text, sse(chunk(finish="stop")) + DONE)
    async with line(answers, script, limits=PATIENT) as (c, _):
        last = terminal(await ask(c, CODEX))
    assert last["type"] == "response.completed"


async def test_answer_that_goes_on_after_a_stop_reason_is_not_ended() -> None:
    """Some upstreams send a stop reason with each call; the time starts again with each part."""
    answers = ANSWERS_BY_PROTOCOL["chat"]
    texts = [sse(chunk({"content": f"{number} "}), chunk(finish="stop")) for number in range(12)]

    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        for text in texts:
            await exchange.chunk(text)
            await asyncio.sleep(PATIENT.linger_seconds / 3)
        await exchange.end()

    async with line(answers, script, limits=PATIENT) as (c, _):
        last = terminal(await ask(c, CODEX))
    text = last["response"]["output"][0]["content"][0]["text"]
    assert text.split() == [str(number) for number in range(12)]


async def test_silence_before_the_stop_reason_is_not_an_end() -> None:
    answers = ANSWERS_BY_PROTOCOL["chat"]

    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(answers.text)
        await asyncio.sleep(PATIENT.linger_seconds * 2)
        await exchange.chunk(answers.end)
        await exchange.end()

    async with line(answers, script, limits=PATIENT) as (c, _):
        last = terminal(await ask(c, CODEX))
    assert last["type"] == "response.completed"
    assert last["response"]["usage"]["total_tokens"] == 105
