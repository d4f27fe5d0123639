"""An HTTP/2 client over a TLS listener: the same promises, stream by stream."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from h2.errors import ErrorCodes
from mitmproxy.proxy.layers.http import GetHttpConnection

from addons.core.errors import Problem
from addons.core.turn import ClientRequest, Plan, Sink
from tests.boundary.scripts import (
    BODY,
    DONE,
    EVENT,
    answer,
    begins,
    gated,
    local_stream,
    silence,
    turn,
)
from tests.support.certificates import make_authority
from tests.support.engine import QUICK, Running, ScriptedPlan, engine, to_ports, wire_to
from tests.support.http2 import h2_client
from tests.support.upstream import upstream
from tests.support.waiting import until, within

CALM = replace(QUICK, heartbeat_seconds=30, stall_seconds=30)


async def test_turns_side_by_side_on_one_connection_do_not_mix(tmp_path: Path) -> None:
    gate = asyncio.Event()
    first = b'data: {"turn":"first"}\n\n'
    async with (
        upstream(gated(first, gate, DONE), turn) as up,
        engine(to_ports(up.port), CALM, confdir=str(tmp_path)) as proxy,
        h2_client(proxy.port) as c,
    ):
        one = await c.post("/one")
        await until(lambda: c.body.get(one) == first)
        two = await c.post("/two")
        assert await c.end_of(two) == EVENT + DONE
        gate.set()
        assert await c.end_of(one) == first + DONE
    assert c.status == {one: 200, two: 200}
    assert all(request.credentials for request in proxy.router.requests)
    assert "of-the-client" not in str([flow.get_state() for flow in proxy.addon.flows])


async def test_retry_works_for_an_http2_client(tmp_path: Path) -> None:
    async with upstream(answer(b"503 Busy"), answer(b"503 Busy"), turn) as up:
        make = to_ports(*[up.port] * 3, retry_on=frozenset({503}))
        async with engine(make, CALM, confdir=str(tmp_path)) as proxy, h2_client(proxy.port) as c:
            assert await c.end_of(await c.post("/one")) == EVENT + DONE
    assert len(up.requests) == 3


async def test_kill_and_injection_reach_the_right_stream(tmp_path: Path) -> None:
    async def source(sink: Sink) -> None:
        await sink.write(EVENT)
        await asyncio.Event().wait()

    async with (
        engine(local_stream(source), CALM, confdir=str(tmp_path)) as proxy,
        h2_client(proxy.port) as c,
    ):
        one, two = await c.post("/one"), await c.post("/two")
        await until(lambda: c.body == {one: EVENT, two: EVENT})
        proxy.addon.flows[1].kill()
        assert b"ended by hand" in await c.end_of(two)
        assert one not in c.ended
        proxy.addon.flows[0].kill()
        assert b"ended by hand" in await c.end_of(one)


async def test_reset_of_a_stream_stops_its_upstream_and_no_other(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with upstream(begins(EVENT)) as left, upstream(gated(EVENT, gate, DONE)) as kept:
        routes = {"/left": to_ports(left.port), "/kept": to_ports(kept.port)}
        make = lambda r: routes[r.path](r)  # noqa: E731
        async with engine(make, CALM, confdir=str(tmp_path)) as proxy, h2_client(proxy.port) as c:
            gone, stays = await c.post("/left"), await c.post("/kept")
            await until(lambda: c.body == {gone: EVENT, stays: EVENT})
            await c.leave(gone)
            await within(left.gone)
            assert not kept.gone.is_set()
            gate.set()
            assert await c.end_of(stays) == EVENT + DONE


MALFORMED = {
    "connection": ("connection", "close"),
    "keep-alive": ("keep-alive", "timeout=5"),
    "transfer coding": ("transfer-encoding", "chunked"),
    "te": ("te", "gzip"),
    "capitals": ("X-Upper", "1"),
    "line end in a value": ("x-a", "1\r\nx-b: 2"),
    "empty name": ("", "1"),
    "late pseudo header": (":path", "/other"),
    "unknown pseudo header": (":version", "1"),
    "two hosts": ("host", "elsewhere"),
}


@pytest.mark.parametrize("kind", MALFORMED)
async def test_malformed_request_resets_its_stream_and_no_other(tmp_path: Path, kind: str) -> None:
    """RFC 9113, 8.1.1 and 8.2.2."""
    gate = asyncio.Event()
    async with (
        upstream(gated(EVENT, gate, DONE), turn) as up,
        engine(to_ports(up.port), CALM, confdir=str(tmp_path)) as proxy,
        h2_client(proxy.port) as c,
    ):
        c.send_as_is()
        one = await c.post("/one")
        await until(lambda: c.body.get(one) == EVENT)
        bad = await c.post("/bad", MALFORMED[kind])
        await until(lambda: bad in c.reset)
        two = await c.post("/two")
        assert await c.end_of(two) == EVENT + DONE
        gate.set()
        assert await c.end_of(one) == EVENT + DONE
        assert [request.path for request in proxy.router.requests] == ["/one", "/two"]
    assert len(up.requests) == 2


UNREADABLE: dict[str, dict[str, str | None]] = {
    "port": {":authority": "x:abc"},
    "large port": {":authority": "x:99999"},
    "host": {":authority": "a b"},
    "protocol": {":protocol": "websocket"},
    "no scheme": {":scheme": None},
}


@pytest.mark.parametrize("kind", UNREADABLE)
async def test_unreadable_request_resets_its_stream_and_no_other(tmp_path: Path, kind: str) -> None:
    fields: dict[str, str | None] = {
        ":method": "POST",
        ":scheme": "https",
        ":authority": "x",
        ":path": "/bad",
    }
    changed = {**fields, **UNREADABLE[kind]}
    gate = asyncio.Event()
    async with (
        upstream(gated(EVENT, gate, DONE), turn) as up,
        engine(to_ports(up.port), CALM, confdir=str(tmp_path)) as proxy,
        h2_client(proxy.port) as c,
    ):
        c.send_as_is()
        one = await c.post("/one")
        await until(lambda: c.body.get(one) == EVENT)
        bad = c.h2.get_next_available_stream_id()
        c.h2.send_headers(bad, [(name, value) for name, value in changed.items() if value])
        c.h2.send_data(bad, BODY, end_stream=True)
        await c.flush()
        await until(lambda: bad in c.reset)
        gate.set()
        assert await c.end_of(one) == EVENT + DONE
        assert await c.end_of(await c.post("/two")) == EVENT + DONE
    assert len(up.requests) == 2


async def test_malformed_trailer_ends_its_turn_and_no_other(tmp_path: Path) -> None:
    async with (
        upstream(turn) as up,
        engine(to_ports(up.port), CALM, confdir=str(tmp_path)) as proxy,
        h2_client(proxy.port) as c,
    ):
        c.send_as_is()
        bad = c.h2.get_next_available_stream_id()
        names = ((":method", "POST"), (":scheme", "https"), (":authority", "x"), (":path", "/bad"))
        c.h2.send_headers(bad, names)
        c.h2.send_data(bad, BODY)
        c.h2.send_headers(bad, [("connection", "close")], end_stream=True)
        await c.flush()
        await until(lambda: bad in c.reset)
        assert await c.end_of(await c.post("/two")) == EVENT + DONE
        assert proxy.engine.live_turns == 0
    assert len(up.requests) == 1


WRONG_LENGTHS = {
    "no number": (b"x", (BODY,)),
    "empty": (b"", (BODY,)),
    "sign": (b"+13", (BODY,)),
    "underscore": (b"1_3", (BODY,)),
    "list": (b"13, 13", (BODY,)),
    "too small": (b"5", (BODY,)),
    "too small for the second part": (b"14", (BODY, BODY)),
    "too large": (b"14", (BODY,)),
    "too large for no body": (b"5", ()),
    "too large for an empty body": (b"5", (b"",)),
    "very long": (b"1" * 5000, (BODY,)),
}


@pytest.mark.parametrize("kind", WRONG_LENGTHS)
async def test_wrong_content_length_resets_its_stream_and_no_other(
    tmp_path: Path, kind: str
) -> None:
    """RFC 9113, 8.1.1."""
    length, parts = WRONG_LENGTHS[kind]
    gate = asyncio.Event()
    async with (
        upstream(gated(EVENT, gate, DONE), turn) as up,
        engine(to_ports(up.port), CALM, confdir=str(tmp_path)) as proxy,
        h2_client(proxy.port) as c,
    ):
        c.send_as_is()
        one = await c.post("/one")
        await until(lambda: c.body.get(one) == EVENT)
        bad = await c.post("/bad", ("content-length", length.decode()), parts=parts)
        await until(lambda: bad in c.reset)
        assert await c.end_of(await c.post("/two")) == EVENT + DONE
        gate.set()
        assert await c.end_of(one) == EVENT + DONE
        assert [request.path for request in proxy.router.requests] == ["/one", "/two"]
        assert proxy.engine.live_turns == 0
    assert c.codes == {bad: ErrorCodes.PROTOCOL_ERROR}
    assert len(up.requests) == 2


async def test_two_content_lengths_reset_their_stream_and_no_other(tmp_path: Path) -> None:
    async with (
        upstream(turn) as up,
        engine(to_ports(up.port), CALM, confdir=str(tmp_path)) as proxy,
        h2_client(proxy.port) as c,
    ):
        c.send_as_is()
        lengths = (("content-length", str(len(BODY))), ("content-length", "5"))
        bad = await c.post("/bad", *lengths)
        await until(lambda: bad in c.reset)
        assert await c.end_of(await c.post("/two")) == EVENT + DONE
    assert len(up.requests) == 1


@pytest.mark.parametrize("parts", [(BODY,), (BODY[:5], BODY[5:]), (BODY, b"")])
async def test_right_content_length_is_accepted(tmp_path: Path, parts: tuple[bytes, ...]) -> None:
    async with (
        upstream(turn) as up,
        engine(to_ports(up.port), CALM, confdir=str(tmp_path)) as proxy,
        h2_client(proxy.port) as c,
    ):
        length = ("content-length", str(len(BODY)))
        assert await c.end_of(await c.post("/one", length, parts=parts)) == EVENT + DONE
    assert up.requests[0].body == BODY


async def test_turns_of_one_client_connect_apart_and_a_kill_ends_only_its_own(
    tmp_path: Path,
) -> None:
    async with upstream(silence) as mute:

        def make(request: ClientRequest) -> Plan:
            return ScriptedPlan(request, [wire_to(mute.port, request, "https")])

        limits = replace(CALM, connect_seconds=30)
        async with (
            engine(make, limits, confdir=str(tmp_path)) as proxy,
            h2_client(proxy.port) as c,
        ):
            one, two = await c.post("/one"), await c.post("/two")
            await until(lambda: mute.connections and proxy.engine.live_turns == 2)
            await until(lambda: mute.connections == 2)
            assert [len(w) for w in waits(proxy)] == [1, 1]
            proxy.addon.flows[0].kill()
            assert b"ended by hand" in await c.end_of(one)
            assert [len(w) for w in waits(proxy)] == [1]
            await within(mute.gone)
            mute.gone.clear()
            proxy.addon.flows[1].kill()
            assert b"ended by hand" in await c.end_of(two)
            await within(mute.gone)


def waits(proxy: Running) -> list[list[GetHttpConnection]]:
    return [
        waiting for layer in proxy.layers for waiting in layer.waiting_for_establishment.values()
    ]


async def test_http2_client_gets_the_refusal(tmp_path: Path) -> None:
    async with engine(to_ports(), CALM, confdir=str(tmp_path)) as proxy:
        proxy.addon.refusal = Problem(403, "forbidden", "Not for you.")
        async with h2_client(proxy.port) as c:
            stream = await c.post("/one")
            assert b"Not for you." in await c.end_of(stream)
    assert c.status == {stream: 403}


async def test_upstream_connection_uses_http1_whatever_alpn_it_offers(tmp_path: Path) -> None:
    """Over HTTP/2 an upstream's connection would be shared by no two turns, and closed streams would leave it open."""
    authority = make_authority(tmp_path)
    context = authority.server_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    trusted = str(authority.ca_file)

    def make(request: ClientRequest) -> Plan:
        return ScriptedPlan(request, [wire_to(up.port, request, "https")])

    async with (
        upstream(turn, tls=context) as up,
        engine(make, CALM, confdir=str(tmp_path), ssl_verify_upstream_trusted_ca=trusted) as proxy,
        h2_client(proxy.port) as c,
    ):
        assert await c.end_of(await c.post("/one")) == EVENT + DONE
    assert c.status == {1: 200}
