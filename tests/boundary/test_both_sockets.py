"""A client's WebSocket and one to ChatGPT, on the product's own proxy: what goes through both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from tests.boundary.surfaces import Home, Running, running
from tests.boundary.test_socket_faults import answers as answers_upgrade
from tests.fakes.account import Account
from tests.fakes.socket_backend import Frame, SocketBackend, refuses, says_hi
from tests.support.upstream import Upstream, upstream
from tests.support.waiting import until, within
from tests.support.websocket import Socket, websocket

CODEX = b"originator: codex_exec"
GOOD = ["response.created", "response.output_text.delta", "response.completed"]
Json = dict[str, Any]


@dataclass
class Setup:
    backend: SocketBackend
    upstream: Upstream
    proxy: Running
    socket: Socket

    async def ask(self, *items: str, **more: object) -> list[Json]:
        fixed = {"model": "gpt-5.5", "store": False, "stream": True, "input": list(items)}
        return await self.socket.ask(**{**fixed, **more})


@asynccontextmanager
async def setup(home: Home, backend: SocketBackend, **chatgpt: str) -> AsyncIterator[Setup]:
    account = Account()
    home.log_in(account)
    home.settings.write_bytes(orjson.dumps({"chatgpt": chatgpt}))
    own = account.headers
    backend.login = {name.encode(): value.encode() for name, value in own.items() if value}
    async with upstream(backend.serve) as up:
        base = f"http://127.0.0.1:{up.port}/backend-api/codex"
        async with (
            running(home, CODEX_SHIM_CHATGPT_BASE_URL=base) as proxy,
            websocket(proxy.port, CODEX) as socket,
        ):
            yield Setup(backend, up, proxy, socket)


def kinds(events: list[Json]) -> list[str]:
    return [event["type"] for event in events]


async def test_frames_go_through_as_they_came(home: Home) -> None:
    backend = SocketBackend()
    async with setup(home, backend) as both:
        found = [await both.ask("one")]
        for number in (1, 2):
            more = {"previous_response_id": f"resp_{number}", "client_metadata": {"n": "1"}}
            found.append(await both.ask(f"new {number}", **more))
    assert [kinds(each) for each in found] == [GOOD] * 3
    assert [frame["input"] for frame in backend.frames] == [["one"], ["new 1"], ["new 2"]]
    assert backend.frames[2]["previous_response_id"] == "resp_2"
    assert backend.frames[2]["client_metadata"] == {"n": "1"}
    assert (len(backend.upgrades), backend.paid, backend.refused) == (1, ["frame"] * 3, [])


async def test_lost_socket_is_replaced_and_the_client_notices_nothing(home: Home) -> None:
    backend = SocketBackend()
    async with setup(home, backend) as both:
        await both.ask("one")
        backend.links[0].reset()
        await within(both.upstream.gone)
        assert kinds(await both.ask("two", previous_response_id="resp_1")) == GOOD
        assert kinds(await both.ask("three", previous_response_id="resp_2")) == GOOD
    assert backend.frames[1]["input"][0] == "one"
    assert backend.frames[1]["input"][-1] == "two"
    assert "previous_response_id" not in backend.frames[1]
    assert backend.frames[2]["input"] == ["three"]
    assert len(backend.upgrades) == 2


@pytest.mark.parametrize("transport", ["auto", "http"])
async def test_conversation_goes_on_by_http(home: Home, transport: str) -> None:
    backend = SocketBackend(upgrade=answers_upgrade(b"426 Upgrade Required"))
    async with setup(home, backend, transport=transport) as both:
        first = await both.ask("one")
        previous = first[-1]["response"]["id"]
        assert kinds(await both.ask("two", previous_response_id=previous)) == GOOD[2:]
    assert backend.paid == ["post", "post"]
    assert len(backend.upgrades) == (1 if transport == "auto" else 0)
    assert orjson.loads(backend.posts[1].body)["input"] == ["one", "two"]


async def test_warm_up_costs_nothing(home: Home) -> None:
    backend = SocketBackend()
    async with setup(home, backend) as both:
        warm = await both.ask(generate=False)
        previous = warm[-1]["response"]["id"]
        assert kinds(await both.ask("one", previous_response_id=previous)) == GOOD
    assert "post" not in backend.paid
    assert backend.frames[-1]["input"] == ["one"]
    assert backend.refused == []


async def test_refusal_reaches_the_client_as_an_error_frame(home: Home) -> None:
    headers = {"retry-after": "2"}
    backend = SocketBackend([refuses(429, "usage_limit_reached", headers=headers), says_hi])
    async with setup(home, backend) as both:
        (error,) = await both.ask("one")
        assert kinds(await both.ask("two")) == GOOD
    assert (error["type"], error["status"]) == ("error", 429)
    assert error["error"]["code"] == "usage_limit_reached"
    assert error["headers"]["retry-after"] == "2"


async def test_cut_answer_ends_with_a_failure(home: Home) -> None:
    async def cuts(frame: Frame) -> None:
        await frame.created()
        frame.link.reset()

    backend = SocketBackend([cuts, says_hi])
    async with setup(home, backend) as both:
        failed = await both.ask("one")
        assert failed[-1]["response"]["error"]["code"] == "stream_interrupted"
        assert kinds(await both.ask("one")) == GOOD
    assert backend.paid == ["frame", "frame"]


async def test_cut_answer_on_a_used_connection_ends_with_a_failure_and_is_paid_once(
    home: Home,
) -> None:
    """It ends within a round trip of the frame, but after the backend has begun to work on it."""

    async def cuts(frame: Frame) -> None:
        await frame.created()
        frame.link.reset()

    backend = SocketBackend([says_hi, cuts, says_hi])
    async with setup(home, backend) as both:
        assert kinds(await both.ask("one")) == GOOD
        failed = await both.ask("two")
        assert failed[-1]["response"]["error"]["code"] == "stream_interrupted"
    assert backend.paid == ["frame", "frame"]


async def test_client_that_leaves_ends_the_turn(home: Home) -> None:
    begun = asyncio.Event()

    async def hangs(frame: Frame) -> None:
        await frame.created()
        begun.set()
        await asyncio.Event().wait()

    backend = SocketBackend([hangs])
    async with setup(home, backend) as both:
        asking = asyncio.ensure_future(both.ask("one"))
        await within(begun)
        both.socket.raw.abort()
        await within(backend.left)
        await until(lambda: not both.proxy.shim.engine.live_turns)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
