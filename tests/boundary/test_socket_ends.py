"""Ends of a WebSocket to ChatGPT and broken frames: no turn is paid twice, and nothing leaks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import orjson
import pytest
from mitmproxy import ctx
from wsproto import events as ws

from tests.boundary.masters import MASTERS, StartMaster
from tests.boundary.socket_turns import EACH_MASTER, GOOD, body, events, failure, kinds, setup
from tests.fakes.socket_backend import Answer, Frame, Link, SocketBackend, refuses, says_hi
from tests.support.upstream import Exchange
from tests.support.waiting import until, within

SERVE = MASTERS["serve"]
End = Callable[[Link], Awaitable[None]]


def closes(code: int) -> End:
    async def close(link: Link) -> None:
        await link.close(code)

    return close


async def resets(link: Link) -> None:
    link.reset()


EACH_END = pytest.mark.parametrize(
    "end", [closes(1000), closes(1011), resets], ids=["1000", "1011", "RST"]
)


# Ends ---------------------------------------------------------------------------------------------------------


@EACH_MASTER
@EACH_END
@pytest.mark.parametrize("begun", [False, True])
async def test_turn_that_may_have_been_worked_on_is_not_sent_again(
    start: StartMaster, tmp_path: Path, end: End, begun: bool
) -> None:
    async def ends(frame: Frame) -> None:
        if begun:
            await frame.created()
        await end(frame.link)

    backend = SocketBackend([ends, says_hi])
    async with setup(start, tmp_path, backend) as shim:
        cut, good = await shim.ask("one"), await shim.ask("two")
    assert failure(cut) == ("stream_interrupted" if begun else "upstream_closed")
    assert kinds(good) == GOOD
    assert (backend.paid, backend.posts) == (["frame", "frame"], [])


@EACH_END
async def test_end_right_after_the_upgrade_is_no_second_request(tmp_path: Path, end: End) -> None:
    async def ends(exchange: Exchange) -> bool:
        backend.upgrade = accepts
        await backend.switch(exchange, end)
        return True

    async def accepts(_: Exchange) -> bool:
        return False

    backend = SocketBackend(upgrade=ends)
    async with setup(SERVE, tmp_path, backend) as shim:
        assert failure(await shim.ask("one")) == "upstream_closed"
        assert kinds(await shim.ask("two")) == GOOD
    assert backend.paid == ["frame"]


@EACH_MASTER
@EACH_END
async def test_socket_that_ended_between_turns_is_replaced(
    start: StartMaster, tmp_path: Path, end: End
) -> None:
    backend = SocketBackend()
    async with setup(start, tmp_path, backend) as shim:
        assert kinds(await shim.ask("one")) == GOOD
        await end(backend.links[0])
        assert kinds(await shim.ask("two")) == GOOD
    assert (len(backend.upgrades), backend.paid) == (2, ["frame", "frame"])


@EACH_END
@pytest.mark.parametrize("in_time", [True, False])
async def test_end_of_an_idle_socket_that_crosses_a_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: End, in_time: bool
) -> None:
    """Within a round trip of sending, the end was on its way before the frame."""
    seconds = 20.0 if in_time else 0.0
    monkeypatch.setattr(
        "addons.proxy.engine.mitmproxy_patches.connections.round_trip", lambda _: seconds
    )

    async def ends(frame: Frame) -> None:
        await end(frame.link)

    backend = SocketBackend([says_hi, ends, says_hi])
    async with setup(SERVE, tmp_path, backend) as shim:
        await shim.ask("one")
        answer = await shim.ask("two")
    if in_time:
        assert (kinds(answer), len(backend.upgrades)) == (GOOD, 2)
    else:
        assert (failure(answer), len(backend.upgrades)) == ("upstream_closed", 1)
    assert backend.posts == []


LIMIT = "websocket_connection_limit_reached"


async def test_connection_limit_leads_to_another_socket_and_then_to_http(tmp_path: Path) -> None:
    backend = SocketBackend([says_hi, refuses(400, LIMIT), says_hi, refuses(400, LIMIT)])
    async with setup(SERVE, tmp_path, backend) as shim:
        assert [kinds(await shim.ask("one")), kinds(await shim.ask("two"))] == [GOOD, GOOD]
        assert kinds(await shim.ask("three")) == ["completed"]
    # the third turn: refused by the second socket, and by a third one at once
    assert (len(backend.upgrades), len(backend.frames), len(backend.posts)) == (3, 5, 1)


async def test_limit_pushed_between_turns_costs_nothing(tmp_path: Path) -> None:
    async def pushes(link: Link) -> None:
        error = {"type": "error", "status": 400, "error": {"code": LIMIT}}
        await link.write(orjson.dumps(error).decode())

    backend = SocketBackend(between=pushes)
    async with setup(SERVE, tmp_path, backend) as shim:
        assert [kinds(await shim.ask(str(n))) for n in range(3)] == [GOOD] * 3
    assert (len(backend.upgrades), len(backend.paid)) == (3, 3)


async def test_limits_pushed_between_turns_are_dropped(tmp_path: Path) -> None:
    async def pushes(link: Link) -> None:
        await link.write('{"type":"codex.rate_limits","rate_limits":{}}')
        await link.raw(ws.Ping(b"read?"))

    backend = SocketBackend(between=pushes)
    async with setup(SERVE, tmp_path, backend) as shim:
        assert kinds(await shim.ask("one")) == GOOD
        await until(lambda: backend.pongs)
        assert kinds(await shim.ask("two")) == GOOD
    assert len(backend.upgrades) == 1


async def test_forgotten_response_is_sent_as_history(tmp_path: Path) -> None:
    backend = SocketBackend()
    async with setup(SERVE, tmp_path, backend) as shim:
        await shim.ask("one")
        backend.links[0].last_response = "forgotten"
        shim.came_as({**orjson.loads(body("two")), "previous_response_id": "resp_1"})
        assert kinds(await shim.ask("one", "answer", "two")) == GOOD
    assert backend.frames[-1]["input"] == ["one", "answer", "two"]
    assert (backend.refused, backend.paid) == (["previous"], ["frame", "frame"])


# Frames -------------------------------------------------------------------------------------------------------


def sends(event: ws.Event, *, begun: bool) -> Answer:
    async def send(frame: Frame) -> None:
        if begun:
            await frame.created()
        await frame.link.raw(event)
        await asyncio.Event().wait()

    return send


DONE = '{"type":"response.completed","response":{"id":"r"}}'
BAD_FRAMES: Mapping[str, ws.Event] = {
    "binary": ws.BytesMessage(b"{}"),
    "two texts": ws.TextMessage('{"type":"response.in_progress"}' + DONE),
    "two ends": ws.TextMessage(DONE + DONE),
    "large": ws.TextMessage('{"type":"response.created","x":"' + "x" * 3_000_000 + '"}'),
    "half an end": ws.TextMessage(DONE[:-2]),
}


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("bad", BAD_FRAMES)
async def test_frame_that_breaks_a_rule_ends_the_turn(
    tmp_path: Path, bad: str, begun: bool
) -> None:
    backend = SocketBackend([sends(BAD_FRAMES[bad], begun=begun), says_hi])
    async with setup(SERVE, tmp_path, backend, event_bytes=2_000_000) as shim:
        cut = await shim.ask("one")
        await within(backend.left)
        assert failure(cut) == ("stream_interrupted" if begun else "upstream_protocol")
        assert kinds(await shim.ask("two")) == GOOD
    assert backend.paid == ["frame", "frame"]


async def test_message_is_not_inflated_beyond_the_limit(tmp_path: Path) -> None:
    bomb = ws.TextMessage("x" * 50_000_000)
    backend = SocketBackend([sends(bomb, begun=False)])
    async with setup(SERVE, tmp_path, backend) as shim:
        assert failure(await shim.ask("one")) == "upstream_protocol"


async def test_text_that_is_no_event_is_passed_on(tmp_path: Path) -> None:
    async def mumbles(frame: Frame) -> None:
        await frame.created()
        await frame.text_frame("hello", "", '{"type": "response.new",\r\n "at": "}{"}')
        await frame.completed()

    async with setup(SERVE, tmp_path, SocketBackend([mumbles])) as shim:
        answer = await shim.ask("one")
    lines = [line for line in answer.body.split(b"\n") if line.startswith(b"data: ")]
    assert lines[1:3] == [b"data: hello", b'data: {"type": "response.new",   "at": "}{"}']
    assert lines[-1].startswith(b'data: {"type":"response.completed"')


async def test_late_end_of_the_turn_before_ends_nothing(tmp_path: Path) -> None:
    async def repeats(frame: Frame) -> None:
        late = {"type": "response.completed", "response": {"id": "resp_1"}}
        await frame.send(late)
        await says_hi(frame)

    backend = SocketBackend([says_hi, repeats])
    async with setup(SERVE, tmp_path, backend) as shim:
        await shim.ask("one")
        answer = await shim.ask("two")
    assert [each.get("response", {}).get("id") for each in events(answer)] == [
        "resp_2",
        None,
        "resp_2",
    ]


# Secrets ------------------------------------------------------------------------------------------------------


async def test_login_is_in_no_flow_log_or_frame(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    saved = tmp_path / "flows"
    backend = SocketBackend([says_hi, refuses(429, "b"), says_hi])
    async with setup(MASTERS["mitmdump"], tmp_path, backend) as shim:
        ctx.options.update(save_stream_file=str(saved), codex_shim_capture=100_000)
        shim.came_as(orjson.loads(body("one")))
        for n in range(3):
            await shim.ask(str(n))
        await until(lambda: not shim.proxy.engine.live_turns)
    assert len(backend.upgrades) == 2
    kept = saved.read_bytes()
    assert b"WEBSOCKET" in kept
    for text in (kept, caplog.text.encode(), orjson.dumps(backend.frames)):
        assert b"b4ckend" not in text
