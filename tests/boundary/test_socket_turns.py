"""Turns to ChatGPT over WebSocket: what is sent, and what the client gets."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import orjson
import pytest
from mitmproxy import ctx
from wsproto import events as ws

from addons.core.settings.root import Transport
from addons.core.turn import ClientTransport
from tests.boundary.masters import MASTERS, StartMaster
from tests.boundary.socket_turns import (
    CODEX,
    EACH_MASTER,
    GOOD,
    body,
    kinds,
    login,
    replace_request,
    setup,
)
from tests.fakes.socket_backend import LOGIN, Frame, SocketBackend, says_hi
from tests.support.client import client
from tests.support.waiting import until, within

SERVE = MASTERS["serve"]


@EACH_MASTER
@pytest.mark.parametrize("deflates", [True, False])
async def test_turns_share_one_socket(start: StartMaster, tmp_path: Path, deflates: bool) -> None:
    backend = SocketBackend(deflates=deflates)
    async with setup(start, tmp_path, backend) as shim:
        answers = [await shim.ask("one"), await shim.ask("two"), await shim.ask("three")]
    assert [(each.status, kinds(each)) for each in answers] == [(200, GOOD)] * 3
    assert answers[0].header(b"content-type") == b"text/event-stream"
    assert (len(backend.upgrades), backend.paid, backend.refused) == (1, ["frame"] * 3, [])
    assert [frame["input"] for frame in backend.frames] == [["one"], ["two"], ["three"]]
    (upgrade,) = backend.upgrades
    assert all(upgrade.header(name) == value for name, value in LOGIN.items())
    assert upgrade.header(b"session-id") == b"s1"


@pytest.mark.parametrize(
    ("transport", "expected"), [("auto", "post"), ("http", "post"), ("websocket", "frame")]
)
async def test_post_goes_by_socket_by_setting_only(
    tmp_path: Path, transport: Transport, expected: str
) -> None:
    backend = SocketBackend()
    async with setup(SERVE, tmp_path, backend, transport) as shim:
        await shim.ask("one")
    assert backend.paid == [expected]


@pytest.mark.parametrize(
    ("transport", "expected"), [("auto", "frame"), ("http", "post"), ("websocket", "frame")]
)
async def test_frame_goes_by_socket_unless_it_may_not(
    tmp_path: Path, transport: Transport, expected: str
) -> None:
    backend = SocketBackend()
    async with setup(SERVE, tmp_path, backend, transport) as shim:
        shim.came_as(orjson.loads(body("own")))
        await shim.ask("own")
    assert backend.paid == [expected]


async def test_own_frame_goes_unchanged_while_its_response_is_known(tmp_path: Path) -> None:
    backend = SocketBackend()
    async with setup(SERVE, tmp_path, backend) as shim:
        shim.came_as(orjson.loads(body("one")))
        await shim.ask("one")
        shim.came_as({**orjson.loads(body("two")), "previous_response_id": "resp_1"})
        await shim.ask("one", "answer", "two")
        shim.came_as({**orjson.loads(body("three")), "previous_response_id": "resp_other"})
        await shim.ask("one", "answer", "two", "three")
    inputs = [frame["input"] for frame in backend.frames]
    assert inputs == [["one"], ["two"], ["one", "answer", "two", "three"]]
    previous = [frame.get("previous_response_id") for frame in backend.frames]
    assert previous == [None, "resp_1", None]
    assert (len(backend.upgrades), backend.refused) == (1, [])


TOOL = {"name": "spawn_agent", "parameters": {"properties": {"message": {"type": "string", "encrypted": True}}}}  # fmt: skip
READABLE = {"name": "spawn_agent", "parameters": {"properties": {"message": {"type": "string"}}}}


@pytest.mark.parametrize(
    ("plain_handover", "expected"), [(False, TOOL), (True, READABLE)], ids=["off", "on"]
)
@pytest.mark.parametrize("transport", ["websocket", "http"])
async def test_task_for_a_sub_agent_is_asked_for_as_text_by_setting_only(
    tmp_path: Path, transport: Transport, plain_handover: bool, expected: object
) -> None:
    backend = SocketBackend()
    async with setup(SERVE, tmp_path, backend, transport, plain_handover=plain_handover) as shim:
        shim.came_as(orjson.loads(body("one", tools=[TOOL])))
        await shim.ask("one", tools=[TOOL])
        shim.came_as({**orjson.loads(body("two")), "previous_response_id": "resp_1"})
        await shim.ask("one", "answer", "two", tools=[TOOL])
    if transport == "http":
        assert [orjson.loads(post.body)["tools"] for post in backend.posts] == [[expected]] * 2
    else:
        assert [frame.get("tools") for frame in backend.frames] == [[expected], None]
        assert [frame["input"] for frame in backend.frames] == [["one"], ["two"]]


async def test_new_socket_gets_the_whole_history(tmp_path: Path) -> None:
    backend = SocketBackend()
    async with setup(SERVE, tmp_path, backend) as shim:
        await shim.ask("one")
        backend.links[0].reset()
        await within(shim.upstream.gone)
        shim.came_as({**orjson.loads(body("two")), "previous_response_id": "resp_1"})
        answer = await shim.ask("one", "answer", "two")
    assert kinds(answer) == GOOD
    assert backend.frames[-1]["input"] == ["one", "answer", "two"]
    assert (len(backend.upgrades), backend.paid) == (2, ["frame", "frame"])


async def test_headers_of_one_turn_travel_in_its_frame(tmp_path: Path) -> None:
    backend = SocketBackend()
    lite = b"x-openai-internal-codex-responses-lite: true"
    async with setup(SERVE, tmp_path, backend) as shim:
        payload = body("one", client_metadata={"kept": "yes"})
        await shim.client.post("/v1/responses", payload, *CODEX, lite)
        await shim.client.response()
    name = "ws_request_header_x_openai_internal_codex_responses_lite"
    assert backend.frames[0]["client_metadata"] == {"kept": "yes", name: "true"}
    assert backend.upgrades[0].header(b"x-openai-internal-codex-responses-lite") is None


async def test_encoded_body_is_sent_plain(tmp_path: Path) -> None:
    backend = SocketBackend()
    async with setup(SERVE, tmp_path, backend) as shim:
        packed = gzip.compress(body("one"))
        await shim.client.post("/v1/responses", packed, *CODEX, b"content-encoding: gzip")
        assert kinds(await shim.client.response()) == GOOD
    assert backend.frames[0]["input"] == ["one"]


@EACH_MASTER
async def test_warm_up_is_no_request_by_http(start: StartMaster, tmp_path: Path) -> None:
    backend = SocketBackend()
    async with setup(start, tmp_path, backend, "auto") as shim:
        shim.came_as({**orjson.loads(body()), "generate": False})
        by_socket = await shim.ask()
    assert (kinds(by_socket), backend.paid) == (GOOD, ["warm-up"])
    async with setup(start, tmp_path, SocketBackend(), "http") as shim:
        shim.came_as({**orjson.loads(body()), "generate": False})
        answered_here = await shim.ask()
        assert (kinds(answered_here), shim.backend.paid) == (["created", "completed"], [])


async def test_each_client_has_a_socket_of_its_own(tmp_path: Path) -> None:
    backend = SocketBackend()
    async with setup(SERVE, tmp_path, backend) as shim:
        await shim.ask("one")
        async with client(shim.proxy.port) as other:
            await other.post("/v1/responses", body("two"), *CODEX)
            assert kinds(await other.response()) == GOOD
        await within(backend.left)
        assert kinds(await shim.ask("three")) == GOOD
    assert (len(backend.upgrades), shim.proxy.engine.pool._idle) == (2, {})


async def test_http_turn_never_gets_the_socket(tmp_path: Path) -> None:
    backend = SocketBackend()
    async with setup(SERVE, tmp_path, backend, "auto") as shim:
        shim.came_as(orjson.loads(body("one")))
        await shim.ask("one")
        shim.edit = lambda request: request
        await shim.ask("two")
        await shim.ask("three")
        shim.came_as(orjson.loads(body("four")))
        await shim.ask("four")
    assert backend.paid == ["frame", "post", "post", "frame"]
    assert (len(backend.upgrades), shim.upstream.connections) == (1, 2)


async def test_another_login_gets_another_socket(tmp_path: Path) -> None:
    backend = SocketBackend()
    async with setup(SERVE, tmp_path, backend) as shim:
        await shim.ask("one")
        shim.logins.used = login("newer-bearer")
        backend.login[b"authorization"] = b"Bearer newer-bearer"
        assert kinds(await shim.ask("two")) == GOOD
    assert [each.header(b"authorization") for each in backend.upgrades] == [
        b"Bearer b4ckend-bearer",
        b"Bearer newer-bearer",
    ]


async def test_pings_are_answered_within_a_turn_and_between_two(tmp_path: Path) -> None:
    async def pings(frame: Frame) -> None:
        await frame.created()
        await frame.link.raw(ws.Ping(b"inside"))
        await frame.completed()
        await frame.link.raw(ws.Ping(b"between"))

    backend = SocketBackend([pings])
    async with setup(SERVE, tmp_path, backend) as shim:
        for turn in (1, 2):
            await shim.ask("hi")
            await until(lambda: backend.pongs == 2 * turn)  # noqa: B023  awaited here
    assert len(backend.upgrades) == 1


async def test_fragments_and_many_events_in_one_read_are_put_in_order(tmp_path: Path) -> None:
    async def fragments(frame: Frame) -> None:
        await frame.created()
        text = '{"type":"response.output_text.delta","delta":"grün"}'
        for at in range(0, len(text), 5):
            last = at + 5 >= len(text)
            await frame.link.raw(ws.TextMessage(text[at : at + 5], message_finished=last))
        await frame.send(
            *({"type": "response.output_text.delta", "delta": str(n)} for n in range(50))
        )
        await frame.completed()

    async with setup(SERVE, tmp_path, SocketBackend([fragments])) as shim:
        answer = await shim.ask("one")
    found = [line[6:] for line in answer.body.split(b"\n") if b'"delta":' in line]
    assert [orjson.loads(each)["delta"] for each in found] == ["grün", *map(str, range(50))]


async def test_large_numbers_reach_the_backend_unchanged(tmp_path: Path) -> None:
    number = 2**70
    backend = SocketBackend()
    texts: list[str] = []

    async def keeps(frame: Frame) -> None:
        texts.append(frame.text)
        await says_hi(frame)

    backend.answers[:] = [keeps]
    async with setup(SERVE, tmp_path, backend, "auto") as shim:
        own = {"model": "gpt-5.5", "store": False, "input": ["a"]}
        text = b'{"type":"response.create","seed":%d,%b' % (number, orjson.dumps(own)[1:])
        socket = ClientTransport.WEBSOCKET
        for previous in (b"", b',"previous_response_id":"resp_1"', b',"previous_response_id":"x"'):
            frame = text[:-1] + previous + b"}"
            shim.edit = lambda request, frame=frame: replace_request(request, socket, frame)  # type: ignore[misc]
            assert kinds(await shim.ask("a")) == GOOD
    assert texts[:2] == [text.decode(), text[:-1].decode() + ',"previous_response_id":"resp_1"}']
    # the backend does not know this one, so the frame is written anew
    assert str(number) in texts[2]


async def test_events_leave_as_they_come(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def waits(frame: Frame) -> None:
        await frame.created()
        await within(gate)
        await frame.completed()

    async with setup(SERVE, tmp_path, SocketBackend([waits])) as shim:
        await shim.client.post("/v1/responses", body("one"), *CODEX)
        head = await shim.client.head()
        assert b"response.created" in await shim.client.chunk()
        gate.set()
        assert (await shim.client.rest(head)).complete


async def test_client_that_leaves_ends_the_turn_upstream(tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def hangs(frame: Frame) -> None:
        await frame.created()
        begun.set()
        await asyncio.Event().wait()

    backend = SocketBackend([hangs])
    async with setup(SERVE, tmp_path, backend) as shim:
        await shim.client.post("/v1/responses", body("one"), *CODEX)
        await within(begun)
        shim.client.abort()
        await within(backend.left)


@EACH_MASTER
async def test_kill_ends_the_turn_and_its_socket(start: StartMaster, tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def hangs(frame: Frame) -> None:
        await frame.created()
        begun.set()
        await asyncio.Event().wait()

    backend = SocketBackend([hangs, says_hi])
    async with setup(start, tmp_path, backend) as shim:
        await shim.client.post("/v1/responses", body("one"), *CODEX)
        await within(begun)
        await until(lambda: shim.proxy.engine.live_turns)
        (turn,) = shim.proxy.engine._turns.values()
        turn.flow.kill()
        answer = await shim.client.response()
        await within(backend.left)
        assert kinds(answer)[-1] == "failed"
        assert kinds(await shim.ask("two")) == GOOD
    assert (len(backend.upgrades), backend.paid) == (2, ["frame", "frame"])


async def test_idle_socket_outlives_the_timeout_of_mitmproxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("addons.proxy.engine.client_pool.SOCKET_CHECK_SECONDS", 0.05)
    backend = SocketBackend()
    async with setup(SERVE, tmp_path, backend) as shim:
        await shim.ask("one")
        (handler,) = ctx.master.addons.get("proxyserver").connections.values()
        before = handler.timeout_watchdog.last_activity
        await until(lambda: handler.timeout_watchdog.last_activity > before)
        assert kinds(await shim.ask("two")) == GOOD
    assert len(backend.upgrades) == 1


async def test_socket_that_the_backend_would_soon_end_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = SocketBackend()
    async with setup(SERVE, tmp_path, backend) as shim:
        await shim.ask("one")
        monkeypatch.setattr("addons.proxy.engine.websocket.upstream_socket.MAX_AGE_SECONDS", -1.0)
        assert kinds(await shim.ask("two")) == GOOD
    assert len(backend.upgrades) == 2
