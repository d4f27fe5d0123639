"""A client's WebSocket: an ordinary turn for each frame, one terminal event for each turn, and a clear end."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import orjson
import pytest
from mitmproxy.options import Options
from mitmproxy.proxy.commands import RequestWakeup

from addons.core.errors import Problem
from addons.core.headers import REDACTION_LABEL
from addons.core.turn import ClientTransport
from tests.boundary.scripts import begins, gated, silence, turn
from tests.proxy.engine.websocket.sockets import line
from tests.support.engine import QUICK
from tests.support.upstream import Exchange
from tests.support.waiting import until
from tests.support.websocket import TEXT, create, frame, websocket

EVENTS = [{"n": 1}, {"type": "response.completed"}]


async def whole(exchange: Exchange) -> None:
    """A turn with an item and an id, as History needs them."""
    number = len(orjson.loads(exchange.request.body)["input"])
    await exchange.sse_head()
    item = orjson.dumps({"type": "response.output_item.done", "item": {"answer": number}})
    done = orjson.dumps({"type": "response.completed", "response": {"id": f"resp_{number}"}})
    await exchange.chunk(b"data: %b\n\n" % item)
    await exchange.chunk(b"data: %b\n\n" % done)
    await exchange.end()


async def test_each_frame_is_a_post_with_a_flow_of_its_own() -> None:
    lines = (b"originator: codex_exec", b"authorization: Bearer x-client-login")
    async with line(turn, lines=lines) as at:
        for _ in range(2):
            await at.socket.send(create(input=[{"n": 1}]))
            assert await at.socket.event() == EVENTS[0]
            assert await at.socket.event() == EVENTS[1]
        await at.proxy.hooks("response")
        upgrade, *turns = at.proxy.addon.flows
        assert upgrade.response is not None
        assert upgrade.response.status_code == 101
        assert [flow.request.method for flow in turns] == ["POST", "POST"]
        assert turns[0].request.path == "/v1/responses"
        assert turns[0].request.headers["originator"] == "codex_exec"
        assert "sec-websocket-key" not in turns[0].request.headers
        assert "upgrade" not in turns[0].request.headers
        assert turns[0].request.headers["authorization"] == REDACTION_LABEL.decode()
        assert turns[0].request.json() == {"model": "m", "input": [{"n": 1}], "stream": True}
        request = at.proxy.router.requests[1]
        assert request.transport is ClientTransport.WEBSOCKET
        assert request.frame == create(input=[{"n": 1}])
        assert request.credentials[b"authorization"].reveal() == b"Bearer x-client-login"
        assert "x-client-login" not in str([flow.get_state() for flow in at.proxy.addon.flows])
        # both over one upstream connection
        assert at.up.connections == 1


async def test_frame_that_continues_the_last_response_brings_the_whole_history() -> None:
    async with line(whole) as at:
        first = await at.socket.ask(input=[{"n": 1}], store=False)
        assert first[-1]["response"]["id"] == "resp_1"
        await at.socket.ask(input=[{"n": 2}], previous_response_id="resp_1", store=False)
        body = orjson.loads(at.up.requests[1].body)
        assert body["input"] == [{"n": 1}, {"answer": 1}, {"n": 2}]
        assert "previous_response_id" not in body


async def test_least_used_connection_forgets_its_history_when_all_hold_too_much() -> None:
    limits = replace(QUICK, history_bytes=1500)
    async with line(whole, limits=limits) as at, websocket(at.proxy.port) as other:
        long = [{"text": "x" * 1000}]
        for socket in (at.socket, other):
            assert (await socket.ask(input=long))[-1]["response"]["id"] == "resp_1"
        (unknown,) = await at.socket.ask(previous_response_id="resp_1", store=False)
        assert (unknown["status"], unknown["error"]["code"]) == (400, "previous_response_not_found")
        await at.socket.ask(input=[], store=False)
        await other.ask(input=[{"n": 1}], previous_response_id="resp_1", store=False)
        assert orjson.loads(at.up.requests[-1].body)["input"] == [*long, {"answer": 1}, {"n": 1}]


async def test_unknown_response_is_refused_and_the_connection_goes_on() -> None:
    async with line(whole) as at:
        (unknown,) = await at.socket.ask(previous_response_id="resp_9", store=False)
        assert (unknown["status"], unknown["error"]["code"]) == (400, "previous_response_not_found")
        assert (await at.socket.ask(input=[{"n": 1}]))[-1]["type"] == "response.completed"
        # whoever lets responses be stored may mean one of another connection
        await at.socket.ask(previous_response_id="resp_9")
        assert orjson.loads(at.up.requests[1].body)["previous_response_id"] == "resp_9"


async def test_headers_of_a_turn_are_those_of_its_frame() -> None:
    metadata = '{"request_kind":"turn"}'
    lines = (b'x-codex-turn-metadata: {"request_kind":"prewarm"}', b"x-codex-window-id: w:0")
    async with line(turn, lines=lines) as at:
        await at.socket.ask(
            client_metadata={
                "x-codex-turn-metadata": metadata,
                "ws_request_header_x_openai_mark": "1",
                "ws_request_header_x_codex_shim_token": "mine",
                "x-codex-ws-stream-request-start-ms": "5",
            }
        )
        await at.socket.ask()
        first, second = (flow.request for flow in at.proxy.addon.flows[1:])
        assert first.headers.get_all("x-codex-turn-metadata") == [metadata]
        assert first.headers["x-openai-mark"] == "1"
        assert first.headers["x-codex-window-id"] == "w:0"
        assert "x-codex-shim-token" not in first.headers
        assert first.json()["client_metadata"] == {"x-codex-turn-metadata": metadata}
        assert "x-openai-mark" not in second.headers
        assert "x-codex-turn-metadata" not in second.headers


async def test_frames_sent_behind_the_handshake_are_read() -> None:
    async with line(turn) as at:
        assert await at.socket.ask() == EVENTS


@pytest.mark.parametrize(
    "text", [b"{", b"[]", b'{"type":"response.cancel"}', b'{"type":"response.create"']
)
async def test_other_text_is_an_error_with_a_status_and_no_turn(text: bytes) -> None:
    async with line(turn) as at:
        await at.socket.send(text)
        error = await at.socket.event()
        assert (error["type"], error["status"]) == ("error", 422)
        assert await at.socket.ask() == EVENTS
        assert len(at.proxy.addon.flows) == 2


async def refuses(exchange: Exchange) -> None:
    body = b'{"error":{"message":"a sentence","code":"model_not_found"}}'
    await exchange.whole(body, b"content-type: application/json", status=b"400 Bad Request")


async def limits(exchange: Exchange) -> None:
    body = b'{"error":{"type":"usage_limit_reached","message":"m"}}'
    lines = (b"content-type: application/json", b"x-codex-primary-used-percent: 100")
    await exchange.whole(body, *lines, status=b"429 Too Many Requests")


async def test_answer_that_is_no_stream_is_an_error_frame() -> None:
    async with line(refuses, limits, turn) as at:
        (failed,) = await at.socket.ask()
        assert failed["response"]["error"] == {"code": "invalid_prompt", "message": "a sentence"}
        (limit,) = await at.socket.ask()
        assert (limit["status"], limit["error"]["type"]) == (429, "usage_limit_reached")
        assert limit["headers"] == {"x-codex-primary-used-percent": "100"}
        assert await at.socket.ask() == EVENTS


async def test_rate_limits_of_the_head_are_the_first_event() -> None:
    async def limited(exchange: Exchange) -> None:
        await exchange.sse_head(b"x-codex-primary-used-percent: 42", b"openai-model: other")
        await exchange.chunk(b'data: {"type":"response.completed"}\n\n')
        await exchange.end()

    async with line(limited) as at:
        limits_, done = await at.socket.ask()
        assert limits_["rate_limits"] == {"primary": {"used_percent": 42.0}}
        assert done == EVENTS[1]


async def test_frames_during_a_turn_wait_for_its_end() -> None:
    gate = asyncio.Event()
    async with line(
        gated(b'data: {"n":1}\n\n', gate, b'data: {"type":"response.completed"}\n\n'), whole
    ) as at:
        await at.socket.send(create())
        await at.socket.event()
        await at.socket.send(create(input=[{"n": 2}]))
        await at.socket.send(b"{")
        await at.socket.send(create(input=[{"n": 3}, {"n": 4}]))
        assert len(at.up.requests) == 1
        gate.set()
        ends = [(await at.socket.turn())[-1] for _ in range(4)]
        assert [end["type"] for end in ends] == ["response.completed"] * 2 + [
            "error",
            "response.completed",
        ]
        assert [end.get("response", {}).get("id") for end in ends] == [
            None,
            "resp_1",
            None,
            "resp_2",
        ]


async def test_too_many_frames_during_a_turn_end_the_connection_and_the_turn() -> None:
    async with line(begins(b'data: {"n":1}\n\n')) as at:
        await at.socket.send(create())
        assert await at.socket.event() == {"n": 1}
        await at.socket.raw.send(b"".join(frame(TEXT, create()) for _ in range(5)))
        closed = await at.socket.closed()
        assert (closed.code, "too many frames" in closed.reason) == (1008, True)
        await at.up.gone.wait()
        await until(lambda: not at.proxy.engine.live_turns)
        assert len(at.proxy.addon.flows) == 2


async def test_too_many_frames_in_one_read_end_the_turn_that_is_just_beginning() -> None:
    async with line(turn) as at:
        await at.socket.raw.send(b"".join(frame(TEXT, create()) for _ in range(6)))
        assert (await at.socket.closed()).code == 1008
        await until(lambda: not at.proxy.engine.live_turns)


async def test_heartbeats_come_while_a_turn_waits_for_its_head() -> None:
    async with line(silence) as at:
        await at.socket.send(create())
        for _ in range(3):
            assert await at.socket.event() == {"type": "response.heartbeat"}


async def test_heartbeats_come_while_a_turn_is_held_and_its_edit_reaches_the_upstream() -> None:
    async with line(whole) as at:
        at.proxy.addon.acts["request"] = lambda flow: (
            flow.intercept() if flow.request.method == "POST" else None
        )
        await at.socket.send(create(input=[{"n": 1}]))
        for _ in range(3):
            assert await at.socket.event() == {"type": "response.heartbeat"}
        assert not at.up.requests
        at.proxy.flow.request.content = b'{"model":"m","input":[5,6,7]}'
        at.proxy.flow.resume()
        assert (await at.socket.turn())[-1]["response"]["id"] == "resp_3"
        assert at.proxy.router.requests[-1].frame is None
        assert at.proxy.router.requests[-1].transport is ClientTransport.WEBSOCKET


@pytest.mark.parametrize("hook", ["requestheaders", "request"])
async def test_addon_that_wants_the_body_streamed_does_not_lose_it(hook: str) -> None:
    async with line(whole) as at:
        at.proxy.addon.acts[hook] = lambda flow: setattr(flow.request, "stream", True)
        assert (await at.socket.ask(input=[{"n": 1}]))[-1]["response"]["id"] == "resp_1"
        assert orjson.loads(at.up.requests[0].body)["input"] == [{"n": 1}]


async def test_turn_of_a_frame_has_no_timer_for_its_body() -> None:
    seconds = 77.0
    async with line(whole, limits=replace(QUICK, body_seconds=seconds)) as at:
        at.proxy.addon.acts["requestheaders"] = lambda flow: (
            flow.intercept() if flow.request.method == "POST" else None
        )
        await at.socket.send(create())
        await until(lambda: at.proxy.flow.request.method == "POST" and at.proxy.flow.intercepted)
        (layer,) = at.proxy.layers
        asked = [each for each in layer.command_sources if isinstance(each, RequestWakeup)]
        assert asked
        assert seconds not in [each.delay for each in asked]
        at.proxy.flow.resume()
        await at.socket.turn()


async def test_idle_connection_gets_no_heartbeat_and_keeps_one_timer() -> None:
    # a turn on a busy machine may well take a tenth of a second
    async with line(turn, limits=replace(QUICK, heartbeat_seconds=0.6)) as at:
        for _ in range(5):
            await at.socket.ask()
        (layer,) = at.proxy.layers
        await until(lambda: not layer.command_sources)
        frames = at.socket.frames
        await at.socket.ask()
        assert at.socket.frames == frames + 2


@pytest.mark.parametrize("hook", ["request", "responseheaders"])
async def test_kill_fails_the_turn_and_keeps_the_connection(hook: str) -> None:
    async with line(turn) as at:
        at.proxy.addon.acts[hook] = lambda flow: (
            flow.kill() if flow.request.method == "POST" else None
        )
        last = (await at.socket.ask(client_metadata={"x-codex-turn-metadata": "{}"}))[-1]
        assert last["response"]["error"]["message"] == "This turn was ended by hand in mitmproxy."
        at.proxy.addon.acts.clear()
        assert await at.socket.ask() == EVENTS


async def test_refusal_of_the_addon_is_an_error_frame() -> None:
    async with line(turn) as at:
        at.proxy.addon.refusal = Problem(403, "request_refused", "no")
        (error,) = await at.socket.ask()
        assert (error["status"], error["error"]["code"]) == (403, "request_refused")
        at.proxy.addon.refusal = None
        assert await at.socket.ask() == EVENTS


async def test_hook_that_raises_refuses_its_turn_alone() -> None:
    async with line(turn) as at:
        at.proxy.addon.break_hook = "request"
        last = (await at.socket.ask())[-1]
        assert last["type"] == "error"
        assert last["status"] == 500
        at.proxy.addon.break_hook = ""
        assert await at.socket.ask() == EVENTS


async def test_replay_of_a_turn_is_a_post_and_that_of_the_upgrade_a_426() -> None:
    async with line(turn) as at:
        await at.socket.ask()
        await at.proxy.hooks("response")
        upgrade, first = at.proxy.addon.flows
        at.socket.raw.close()
        at.proxy.addon.ended.clear()
        for flow, status in ((first, 200), (upgrade, 426)):
            copy = flow.copy()
            at.proxy.addon.ended.clear()
            at.proxy.master.commands.call("replay.client", [copy])
            await at.proxy.addon.ended.wait()
            assert copy.response is not None
            assert copy.response.status_code == status
        replayed = at.proxy.router.requests[2]
        assert (replayed.transport, replayed.frame, replayed.is_replay) == (
            ClientTransport.HTTP,
            None,
            True,
        )
        assert len(at.up.requests) == 2


@pytest.mark.skipif(not hasattr(Options(), "tcp_timeout"), reason="an option of later mitmproxy")
async def test_connection_outlives_the_idle_timeout_of_mitmproxy() -> None:
    async with line(turn, tcp_timeout=1) as at:
        await at.socket.ask()
        (handler,) = at.proxy.master.addons.get("proxyserver").connections.values()
        watchdog = handler.timeout_watchdog
        assert watchdog.last_activity + watchdog.timeout > 1e8
        closed = asyncio.ensure_future(at.socket.receive())
        done, _ = await asyncio.wait([closed], timeout=2.5)
        assert not done
        await at.socket.send(create())
        assert await closed == EVENTS[0]


async def test_too_large_frame_closes_the_connection() -> None:
    async with line(turn, limits=replace(QUICK, body_bytes=1000)) as at:
        await at.socket.send(create(input=["x" * 900]))
        assert (await at.socket.turn())[-1] == EVENTS[1]
        await at.socket.send(create(input=["x" * 1000]))
        closed = await at.socket.closed()
        assert closed.code == 1009
        assert "body_bytes" in closed.reason
        assert len(at.proxy.addon.flows) == 2


async def test_turn_state_of_the_upgrade_goes_with_the_requests_of_the_first_turn_alone() -> None:
    async with line(whole, lines=(b"x-codex-turn-state: old",)) as at:
        for turn_id in ("t1", "t1", "t2"):
            await at.socket.ask(client_metadata={"turn_id": turn_id})
        states = [each.header(b"x-codex-turn-state") for each in at.proxy.router.requests[1:]]
        assert states == [b"old", b"old", None]
