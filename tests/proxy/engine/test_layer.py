"""Exceptions, wherever they are raised: a typed answer at once and the next turn fine, or a closed connection.

Never a hang, and on the request side never a byte to any upstream or to the reverse target.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from mitmproxy.proxy import commands, layer

from addons.core.secrets import Origin
from addons.core.turn import ClientRequest, Fault, Head, Plan, Relay, Send, Step
from addons.proxy.engine.http1 import ListenerHttp1
from addons.proxy.engine.layer import ShimHttpLayer
from addons.proxy.engine.mitmproxy_patches.command_pump import SyncHookRunner
from tests.boundary.scripts import BODY, DONE, EVENT, OneStep, answer, gated, turn
from tests.support.client import client
from tests.support.engine import (
    QUICK,
    Plain,
    Running,
    ScriptedPlan,
    TestRouter,
    engine,
    to_ports,
    wire_to,
)
from tests.support.upstream import Upstream, upstream
from tests.support.waiting import until

CODEX = b"originator: codex_cli_rs"


class Boom(Exception):  # noqa: N818
    """Its text must never be shown."""

    def __init__(self) -> None:
        super().__init__("secret-in-an-exception")


@asynccontextmanager
async def trapped(**options: object) -> AsyncIterator[tuple[Running, Upstream, Upstream]]:
    """The proxy, its upstream, and a trap where the reverse target is."""
    async with upstream(turn) as up, upstream(turn) as trap:
        sink = f"http://127.0.0.1:{trap.port}"
        async with engine(to_ports(up.port), sink=sink, **options) as proxy:  # type: ignore[arg-type]
            yield proxy, up, trap


@pytest.mark.parametrize("hook", ["client_connected", "next_layer", "requestheaders", "request"])
@pytest.mark.parametrize("lines", [(), (CODEX,)])
async def test_request_hook_that_raises_sends_nothing_upstream(
    hook: str, lines: tuple[bytes, ...]
) -> None:
    async with trapped() as (proxy, up, trap):
        proxy.addon.break_hook = hook
        async with client(proxy.port) as c:
            await c.post("/v1/responses", BODY, b"authorization: Bearer x-client", *lines)
            response = await c.response()
        assert response.complete
        assert b"codex-shim" in response.body
    for flow in proxy.addon.flows:
        assert "x-client" not in str(flow.get_state())
    assert (up.connections, trap.connections) == (0, 0)


async def test_request_that_no_hook_has_admitted_is_answered_before_its_body_comes() -> None:
    async with trapped() as (proxy, up, trap), client(proxy.port) as c:
        proxy.addon.break_hook = "requestheaders"
        await c.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n")
        body = (await c.response()).body
        assert b"was not admitted" in body
        assert b"that id" not in body
        assert (up.connections, trap.connections) == (0, 0)


@pytest.mark.parametrize("hook", ["responseheaders", "response"])
async def test_response_side_hook_that_raises_does_not_disturb_the_answer(hook: str) -> None:
    async with trapped() as (proxy, up, trap), client(proxy.port) as c:
        proxy.addon.break_hook = hook
        for _ in range(2):
            await c.post("/v1/responses", BODY)
            assert (await c.response()).body == EVENT + DONE
        assert (len(up.requests), trap.connections) == (2, 0)


async def test_error_hook_that_raises_does_not_disturb_the_next_turn() -> None:
    async with upstream(turn) as up:
        make = to_ports(up.port)
        async with engine(lambda r: make(r) if r.path == "/ok" else broken(r)) as proxy:
            proxy.addon.break_hook = "error"
            async with client(proxy.port) as c:
                await c.post("/bad", BODY)
                assert (await c.response()).status == 500
                await c.post("/ok", BODY)
                assert (await c.response()).body == EVENT + DONE


def broken(_: ClientRequest) -> Plan:
    raise Boom


class Raises(OneStep):
    """A plan, or its translator, that raises in one place."""

    def __init__(self, request: ClientRequest, port: int, place: str) -> None:
        super().__init__(request, Send(wire_to(port, request)))
        self.place = place

    def _at(self, place: str) -> None:
        if place == self.place:
            raise Boom

    def start(self) -> Step:
        self._at("start")
        return super().start()

    def on_head(self, head: Head) -> Step:
        self._at("on_head")
        return Relay(head, RaisingTranslator(self._at))


class RaisingTranslator(Plain):
    def __init__(self, at: Callable[[str], None]) -> None:
        super().__init__()
        self.at = at

    def feed(self, data: bytes) -> bytes:
        self.at("feed")
        return super().feed(data)

    def finish(self) -> bytes:
        self.at("finish")
        return super().finish()


@pytest.mark.parametrize("place", ["plan", "start", "on_head", "feed", "finish"])
async def test_failure_of_a_plan_is_answered_and_the_next_turn_is_fine(
    place: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with upstream(turn) as up:
        healthy = to_ports(up.port)

        def make(request: ClientRequest) -> Plan:
            if request.path == "/ok":
                return healthy(request)
            return broken(request) if place == "plan" else Raises(request, up.port, place)

        async with engine(make) as proxy, client(proxy.port) as c:
            for path in ("/bad", "/ok", "/bad", "/ok"):
                await c.post(path, BODY)
                response = await c.response()
                assert response.complete
                if path == "/ok":
                    assert response.body == EVENT + DONE
                    continue
                assert (b"shim_bug" in response.body) == (place != "finish")
                assert b"secret-in-an-exception" not in response.body
            assert proxy.engine.live_turns == 0
    assert "secret-in-an-exception" not in caplog.text
    assert "internal error" in caplog.text


async def test_step_that_cannot_be_carried_out_is_an_internal_error() -> None:
    make = lambda r: OneStep(r, Relay(Head(200), Plain()))  # noqa: E731
    async with engine(make) as proxy, client(proxy.port) as c:
        await c.post("/v1/responses", BODY)
        response = await c.response()
    assert (response.status, b"shim_bug" in response.body) == (500, True)


@pytest.mark.parametrize("method", ["send", "read_headers", "read_body"])
async def test_failure_inside_the_upstream_protocol_code_is_answered(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(*_: object) -> Iterator[commands.Command]:
        raise Boom

    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        with monkeypatch.context() as patch:
            patch.setattr(f"addons.proxy.engine.http1.UpstreamHttp1.{method}", raises)
            await c.post("/v1/responses", BODY)
            response = await c.response()
            assert response.complete
            assert b"shim_bug" in response.body
            await until(lambda: proxy.engine.live_turns == 0)
        await c.post("/v1/responses", BODY)
        assert (await c.response()).body == EVENT + DONE


async def test_failure_inside_the_listener_code_closes_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def raises(*_: object) -> Iterator[commands.Command]:
        raise Boom

    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy:
        with monkeypatch.context() as patch:
            patch.setattr(ListenerHttp1, "send", raises)
            async with client(proxy.port) as c:
                await c.post("/v1/responses", BODY)
                assert await c.eof() == b""
        await until(lambda: proxy.engine.live_turns == 0)
        async with client(proxy.port) as c:
            await c.post("/v1/responses", BODY)
            assert (await c.response()).body == EVENT + DONE


@pytest.mark.parametrize(
    "place",
    [
        "addons.proxy.engine.request_side.take_credentials",
        "addons.proxy.engine.http1.ListenerHttp1.mark_done",
    ],
)
async def test_failure_before_or_behind_the_head_of_a_whole_request_closes_the_connection(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(*_: object, **__: object) -> None:
        raise Boom

    async with trapped() as (proxy, up, trap), client(proxy.port) as c:
        with monkeypatch.context() as patch:
            patch.setattr(place, raises)
            await c.post("/v1/responses", BODY)
            assert await c.eof() == b""
            await until(lambda: proxy.engine.live_turns == 0)
        async with client(proxy.port) as another:
            await another.post("/v1/responses", BODY)
            assert (await another.response()).body == EVENT + DONE
        assert (up.connections, len(up.requests), trap.connections) == (1, 1, 0)


async def test_failure_in_the_layer_stack_refuses_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def raises(*_: object) -> None:
        raise Boom

    async with trapped() as (proxy, up, trap):
        monkeypatch.setattr(ShimHttpLayer, "__init__", raises)
        async with client(proxy.port) as c:
            await c.post("/v1/responses", BODY)
            response = await c.response()
        assert (response.status, b"client_refused" in response.body) == (403, True)
        assert (up.connections, trap.connections) == (0, 0)


async def test_translator_that_fails_twice_closes_the_connection() -> None:
    class Hopeless(Plain):
        def feed(self, data: bytes) -> bytes:  # noqa: ARG002
            raise Boom

        def fail(self, fault: Fault) -> bytes:  # noqa: ARG002
            raise Boom

    class Gives(OneStep):
        def on_head(self, head: Head) -> Step:
            return Relay(head, Hopeless())

    gate = asyncio.Event()
    async with upstream(gated(EVENT, gate, DONE)) as up:
        make = lambda r: Gives(r, Send(wire_to(up.port, r)))  # noqa: E731
        async with engine(make) as proxy, client(proxy.port) as c:
            await c.post("/v1/responses", BODY)
            assert not (await c.response()).complete
            await until(lambda: proxy.engine.live_turns == 0)
        gate.set()


@pytest.mark.parametrize(
    "change",
    [
        {"path": "/v1/\r\nx: y"},
        {"path": "/v1/\x00"},
        {"headers": ((b"x-a", b"1\r\nx-b: 2"),)},
        {"headers": ((b"x-a\n", b"1"),)},
        {"headers": ((b"x-a", b"\x00"),)},
        {"method": "POST\n"},
        {"origin": Origin("http", "localhost", 1)},
        {"method": "PÖST"},
    ],
)
async def test_unsafe_wire_request_is_refused_before_a_byte_is_sent(
    change: dict[str, object],
) -> None:
    """Control characters, and a secret that is bound to another origin."""
    async with upstream(turn) as up:

        def make(request: ClientRequest) -> Plan:
            wire = wire_to(up.port, request)
            if "origin" in change:
                foreign = replace(wire.secrets[0], bound_to=change["origin"])  # type: ignore[arg-type]
                return OneStep(request, Send(replace(wire, secrets=(foreign,))))
            return OneStep(request, Send(replace(wire, **change)))  # type: ignore[arg-type]

        async with engine(make) as proxy, client(proxy.port) as c:
            await c.post("/v1/responses", BODY)
            response = await c.response()
            assert (response.status, b"shim_bug" in response.body) == (500, True)
    assert up.requests == []


async def test_failure_after_an_attempt_was_sent_does_not_say_that_nothing_was() -> None:
    class Breaks(ScriptedPlan):
        def on_head(self, head: Head) -> Step:
            raise RuntimeError(head)

    async with (
        upstream(turn) as up,
        engine(lambda request: Breaks(request, [wire_to(up.port, request)])) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        body = (await c.response()).body
    assert len(up.requests) == 1
    assert b"log line of that id" in body
    assert b"othing was sent" not in body


async def test_front_and_limits_can_be_replaced_while_turns_run() -> None:
    """A live turn keeps its plan and limits; the next one, on the same connection too, gets the new ones."""
    gate = asyncio.Event()
    async with (
        upstream(gated(EVENT, gate, DONE)) as old,
        upstream(answer(b"200 OK", b"new")) as new,
        engine(to_ports(old.port), replace(QUICK, stall_seconds=30)) as proxy,
        client(proxy.port) as c,
        client(proxy.port) as other,
    ):
        await c.post("/v1/responses", BODY)
        begun = await c.head()
        assert await c.chunk() == EVENT
        proxy.engine.router = TestRouter(to_ports(new.port))
        proxy.engine.limits = replace(QUICK, body_bytes=20)
        await other.post("/v1/responses", BODY)
        assert (await other.response()).body == b"new"
        gate.set()
        assert (await c.rest(begun)).body.endswith(DONE)
        await c.post("/v1/responses", BODY)
        assert (await c.response()).body == b"new"
        await c.post("/v1/responses", BODY * 2)
        assert (await c.response()).status == 413
    assert (len(old.requests), len(new.requests)) == (1, 2)


class Waits:
    """An addon whose hook waits."""

    def __init__(self) -> None:
        self.asked, self.gate = asyncio.Event(), asyncio.Event()

    async def next_layer(self, _: layer.NextLayer) -> None:
        self.asked.set()
        await self.gate.wait()


async def test_parts_of_a_body_that_come_before_the_layer_is_known_are_part_of_it() -> None:
    waits, body = Waits(), b"1" * 100
    async with trapped() as (proxy, up, _), client(proxy.port) as c:
        proxy.master.addons.add(waits)
        proxy.engine.run_hook = SyncHookRunner(proxy.master.addons).run
        await c.send(
            b"POST /v1/responses HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100\r\n\r\n"
        )
        await waits.asked.wait()
        (handler,) = proxy.master.addons.get("proxyserver").connections.values()
        queued = handler.layer.child_layer._paused_event_queue
        for at in range(0, 100, 25):
            await c.send(body[at : at + 25])
            await until(lambda: len(queued) == at // 25 + 1)  # noqa: B023  awaited at once
        waits.gate.set()
        assert (await c.response()).body == EVENT + DONE
        assert up.requests[-1].body == body
