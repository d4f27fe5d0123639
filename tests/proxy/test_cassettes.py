"""Turns of every kind of route through the product's Master: recorded, and replayed when nothing answers any more."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from addons.adapters.cassette.replay import read_cassette
from addons.adapters.cassette.use import CassetteUse
from addons.core.cassette.format import COMPLETE, CUT
from addons.core.cassette.player import Player
from addons.proxy.master import ListenOptions, ShimMaster, StartError
from tests.boundary.row_turns import ANSWERS_BY_PROTOCOL, breaks_off, says
from tests.boundary.surfaces import DEMO, DONE, TURN, Home, Running
from tests.support.client import client
from tests.support.upstream import Exchange, upstream
from tests.support.waiting import LONGEST
from tests.support.websocket import websocket

CODEX = b"originator: codex_exec"
ROW_KEY = "k3y-of-the-row-1-8a2b"


@asynccontextmanager
async def serving(
    home: Home, use: CassetteUse, settings: Path | None = None
) -> AsyncIterator[Running]:
    ready = asyncio.Event()
    listen = ListenOptions("127.0.0.1", 0, settings or home.settings, cassettes=use)
    master = ShimMaster(listen, lambda _: ready.set(), home.env)
    task = asyncio.create_task(master.run())  # noqa: TID251, RUF100  awaited below
    await ready.wait()
    try:
        yield Running(master)
    finally:
        master.shutdown()  # type: ignore[no-untyped-call]
        await task


def replaying(file: Path, *, is_loose: bool = False) -> CassetteUse:
    player = Player(read_cassette(file), file.name, is_loose=is_loose)
    return CassetteUse(player=player, speed=0)


def types(body: bytes) -> list[str]:
    """Return the types of the events of a stream, which may have no event lines."""
    data = re.findall(rb"^data: (.*)$", body, re.MULTILINE)
    found = [str(orjson.loads(each)["type"]) for each in data]
    return [one for one in found if one != "response.heartbeat"]


def turn_for(slug: str, text: str = "hi") -> bytes:
    message = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    return orjson.dumps({"model": slug, "stream": True, "input": [message]})


async def echoes_key(exchange: Exchange) -> None:
    """A native answer that quotes the key of the request in two deltas."""
    await exchange.sse_head()
    for part in (ROW_KEY[:9], ROW_KEY[9:]):
        event = {"type": "response.output_text.delta", "delta": part}
        await exchange.chunk(b"data: %s\n\n" % orjson.dumps(event))
    await exchange.chunk(DONE)
    await exchange.end()


async def test_every_route_is_recorded_and_replayed_without_its_upstream(home: Home) -> None:
    home.log_in()
    chat, messages = ANSWERS_BY_PROTOCOL["chat"], ANSWERS_BY_PROTOCOL["messages"]
    file = home.folder / "turns.jsonl"
    asked = [TURN, DEMO, turn_for("chat"), turn_for("messages"), turn_for("native"), turn_for("broken"), turn_for("none")]  # fmt: skip
    async with (
        upstream(says(chat.text, chat.end)) as one,
        upstream(says(messages.text, messages.end)) as two,
        upstream(echoes_key) as three,
        upstream(breaks_off(chat.text)) as four,
    ):
        rows = [
            {"model": slug, "slug": slug, "provider": provider, "base_url": f"http://127.0.0.1:{up.port}/v1", "api_key": ROW_KEY}
            for slug, provider, up in (
                ("chat", "generic-chat-completion-api", one), ("messages", "anthropic", two),
                ("native", "openai-responses", three), ("broken", "generic-chat-completion-api", four),
            )
        ]  # fmt: skip
        home.settings.write_bytes(orjson.dumps({"models": rows}))
        async with serving(home, CassetteUse(record=file)) as proxy, asyncio.timeout(LONGEST):
            first = [await proxy.post(body, CODEX) for body in asked]
            async with websocket(proxy.port, CODEX) as socket:
                by_socket = await socket.ask(model="chat", input="by socket")
    text = file.read_text()
    assert ROW_KEY not in text
    assert ROW_KEY[9:] not in text
    assert "Bearer" not in text
    before = len(home.backend.requests)
    async with serving(home, replaying(file), home.folder / "none.json") as proxy:
        again = [await proxy.post(body, CODEX) for body in asked]
        assert [types(each.body) for each in again] == [types(each.body) for each in first]
        assert [each.status for each in again] == [each.status for each in first]
        unknown = again.pop()
        assert (unknown.status, unknown.body) == (404, first[-1].body)
        assert [types(each.body)[-1] for each in again] == [
            "response.completed", "response.completed", "response.completed", "response.completed",
            "response.completed", "response.failed",
        ]  # fmt: skip
        async with websocket(proxy.port, CODEX) as socket:
            repeated = await socket.ask(model="chat", input="by socket")
        assert [event["type"] for event in repeated] == [event["type"] for event in by_socket]
        assert "chat" in await proxy.slugs()
        missed = await proxy.post(turn_for("chat", "other"), CODEX)
        assert types(missed.body) == ["response.failed"]
        assert b"turns.jsonl has no turn for this request" in missed.body
    assert len(home.backend.requests) == before


async def test_turn_whose_client_left_is_recorded_as_cut_and_gets_a_terminal_event(
    home: Home,
) -> None:
    home.log_in()
    file = home.folder / "turns.jsonl"

    async def hangs(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(b'data: {"type":"response.created","response":{"id":"r"}}\n\n')
        await exchange.closed()

    home.backend.scripts[:] = [hangs]
    async with serving(home, CassetteUse(record=file)) as proxy, client(proxy.port) as c:
        await c.post("/v1/responses", TURN, CODEX)
        await c.head()
        await c.chunk()
        c.abort()
    (turn,) = read_cassette(file).turns
    assert turn.answer.ended == CUT
    async with serving(home, replaying(file)) as proxy:
        response = await proxy.post(TURN, CODEX)
    assert types(response.body) == ["response.created", "response.failed"]


async def test_recorded_times_are_those_of_the_writes(home: Home) -> None:
    home.log_in()
    file = home.folder / "turns.jsonl"
    async with serving(home, CassetteUse(record=file)) as proxy:
        await proxy.post(DEMO, CODEX)
    (turn,) = read_cassette(file).turns
    times = [at for at, _ in turn.answer.parts]
    assert times == sorted(times)
    assert times[-1] > times[0]
    assert turn.answer.ended == COMPLETE
    assert turn.model["slug"] == "shim-demo"


async def test_existing_file_is_a_start_error(home: Home) -> None:
    (home.folder / "mine").write_text("mine")
    use = CassetteUse(record=home.folder / "mine")
    with pytest.raises(StartError, match=r"cannot record to .*mine: File exists"):
        ShimMaster(ListenOptions("127.0.0.1", 0, cassettes=use), print, home.env)


async def test_nothing_is_kept_of_a_turn_while_nothing_records(home: Home) -> None:
    async with serving(home, CassetteUse()) as proxy:
        assert proxy.shim.engine.on_recorded is None
        assert (await proxy.post(DEMO, CODEX)).complete
