"""Framing: what the upstream sent arrives whole in every combination, and a truncated answer is reported or cut off."""

import asyncio
import gzip
from dataclasses import replace

import pytest

from addons.core.turn import ClientRequest, Head, Plan, Relay, Send, Step
from tests.boundary.scripts import BODY, DONE, EVENT, OneStep, raw
from tests.support.client import client
from tests.support.engine import QUICK, Plain, engine, to_ports, wire_to
from tests.support.upstream import Exchange, Script, upstream
from tests.support.waiting import until

STREAM = EVENT * 3 + DONE
SSE = b"content-type: text/event-stream"
FAILED = b'"type":"response.failed"'


def framed(kind: str, body: bytes, *lines: bytes) -> Script:
    async def script(exchange: Exchange) -> None:
        if kind == "length":
            await exchange.whole(body, *lines)
        elif kind == "chunked":
            await exchange.head(b"transfer-encoding: chunked", *lines)
            for at in range(0, len(body), 7):
                await exchange.chunk(body[at : at + 7])
            await exchange.end()
        else:
            await exchange.head(*lines)
            await exchange.send(body)
            exchange.writer.close()

    return script


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
@pytest.mark.parametrize("kind", ["length", "chunked", "close"])
@pytest.mark.parametrize("content", [SSE, b"content-type: application/json"])
async def test_every_framing_arrives_whole(kind: str, version: bytes, content: bytes) -> None:
    async with (
        upstream(framed(kind, STREAM, content)) as up,
        engine(to_ports(up.port)) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY, version=version)
        response = await c.response()
        if version == b"HTTP/1.0":
            assert await c.eof() == b""
            assert response.header(b"transfer-encoding") is None
    assert response.complete
    assert response.body == STREAM
    if content == SSE:
        assert response.header(b"content-length") is None


async def test_empty_translation_in_the_middle_does_not_end_the_body() -> None:
    """An empty HTTP/1 chunk would be the end of the client's body."""
    fed: list[bytes] = []

    class Mute(Plain):
        def feed(self, data: bytes) -> bytes:
            fed.append(data)
            return b"" if b"skip" in data else data

        def finish(self) -> bytes:
            return b"data: end\n\n"

    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        for part in (EVENT, b"data: skip\n\n", EVENT):
            await exchange.chunk(part)
            await until(lambda part=part: b"".join(fed).endswith(part))  # type: ignore[misc]
        await exchange.end()

    class Muted(OneStep):
        def on_head(self, head: Head) -> Step:
            return Relay(head, Mute())

    def make(request: ClientRequest) -> Plan:
        return Muted(request, Send(wire_to(up.port, request)))

    no_heartbeat = replace(QUICK, heartbeat_seconds=30, stall_seconds=30)
    async with upstream(script) as up, engine(make, no_heartbeat) as proxy, client(proxy.port) as c:
        await c.post("/v1/responses", BODY)
        response = await c.response()
        assert response.complete
        assert response.body == EVENT * 2 + b"data: end\n\n"
        await c.post("/v1/responses", BODY)
        assert (await c.response()).complete


@pytest.mark.parametrize(
    ("sent", "between"),
    [(EVENT, b""), (EVENT + b"data: {", b"\n\n"), (EVENT[:-1], b"\n\n")],
)
async def test_cut_stream_ends_in_one_typed_event_at_an_event_border(
    sent: bytes, between: bytes
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(sent)
        exchange.writer.close()

    async with upstream(script) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        await c.post("/v1/responses", BODY)
        response = await c.response()
    assert response.complete
    assert response.body.startswith(sent + between + b"event: response.failed\ndata: ")
    assert response.body.count(FAILED) == 1
    assert b"stream_interrupted" in response.body


async def test_clean_end_without_a_blank_line_gets_no_byte_of_the_engine() -> None:
    body = EVENT + DONE[:-1]
    async with (
        upstream(framed("chunked", body, SSE)) as up,
        engine(to_ports(up.port)) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        assert (await c.response()).body == body


async def test_cut_after_the_terminal_event_adds_no_second_one() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(STREAM)
        exchange.cut()

    async with upstream(script) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        await c.post("/v1/responses", BODY)
        response = await c.response()
    assert response.complete
    assert response.body == STREAM


@pytest.mark.parametrize("kind", ["chunked", "length"])
async def test_cut_of_a_body_that_is_no_stream_is_a_cut(kind: str) -> None:
    async def script(exchange: Exchange) -> None:
        length = b"content-length: 100" if kind == "length" else b"transfer-encoding: chunked"
        await exchange.head(b"content-type: application/json", length)
        await (exchange.send(b'{"a":') if kind == "length" else exchange.chunk(b'{"a":'))
        exchange.writer.close()

    async with upstream(script) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        await c.post("/v1/responses", BODY)
        response = await c.response()
    assert not response.complete
    assert FAILED not in response.body


@pytest.mark.parametrize("cut", [False, True])
async def test_encoded_stream_gets_no_bytes_of_the_engine(cut: bool) -> None:
    packed = gzip.compress(EVENT, mtime=0)

    async def script(exchange: Exchange) -> None:
        await exchange.sse_head(b"content-encoding: gzip")
        await exchange.chunk(packed)
        if cut:
            exchange.writer.close()
        else:
            await exchange.end()

    async with upstream(script) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        await c.post("/v1/responses", BODY)
        begun = await c.head()
        assert await c.chunk() == packed
        response = await c.rest(begun)
    assert response.body == b""
    assert response.complete is not cut


async def test_bodiless_statuses_stay_bodiless_and_the_connection_lives() -> None:
    scripts = raw(b"HTTP/1.1 204 No Content\r\n\r\n"), raw(b"HTTP/1.1 304 Not Modified\r\n\r\n")
    async with (
        upstream(*scripts) as up,
        engine(to_ports(up.port)) as proxy,
        client(proxy.port) as c,
    ):
        for status in (204, 304):
            await c.get("/v1/models")
            response = await c.response()
            assert (response.status, response.body) == (status, b"")
            assert response.header(b"transfer-encoding") is None


async def test_head_request_gets_no_body() -> None:
    async with (
        upstream(framed("length", b"")) as up,
        engine(to_ports(up.port)) as proxy,
        client(proxy.port) as c,
    ):
        for _ in range(2):
            await c.send(b"HEAD /v1/models HTTP/1.1\r\nhost: x\r\n\r\n")
            assert (await c.head()).status == 200


async def test_upstream_trailers_are_dropped() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.sse_head(b"trailer: x-secret")
        await exchange.chunk(STREAM)
        await exchange.send(b"0\r\nx-checksum: 1\r\n\r\n")

    async with upstream(script) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        for _ in range(2):
            await c.post("/v1/responses", BODY)
            response = await c.response()
            assert response.complete
            assert response.body == STREAM
    assert up.connections == 1


@pytest.mark.parametrize(
    "head",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header line\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000,
    ],
    ids=["garbage", "status", "line", "length", "te+cl", "101", "endless"],
)
async def test_unusable_upstream_head_is_a_protocol_fault(head: bytes) -> None:
    async with (
        upstream(raw(head)) as up,
        engine(to_ports(up.port)) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        response = await c.response()
    assert (response.status, response.header(b"content-type")) == (502, b"application/json")
    assert b"upstream_protocol" in response.body
    assert b"yyy" not in response.body


async def test_broken_chunk_framing_is_a_cut() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(EVENT)
        await exchange.send(b"zz\r\nnonsense")
        await exchange.closed()

    async with upstream(script) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        await c.post("/v1/responses", BODY)
        response = await c.response()
    assert response.complete
    assert b"stream_interrupted" in response.body
    assert b"nonsense" not in response.body


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n"
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@pytest.mark.parametrize(
    "parts",
    [
        [CONTINUE + WHOLE],
        [CONTINUE, WHOLE],
        [HINTS + WHOLE],
        [HINTS[:9], HINTS[9:40], HINTS[40:] + WHOLE[:20], WHOLE[20:]],
        [b"HTTP/1.1 102 Processing\r\n\r\n", CONTINUE + HINTS, WHOLE],
        [b"HTTP/1.1 100\n\n", WHOLE],
    ],
)
async def test_interim_heads_of_the_upstream_are_skipped(parts: list[bytes]) -> None:
    async def script(exchange: Exchange) -> None:
        for part in parts:
            await exchange.send(part)
            await asyncio.sleep(0.01)

    async with upstream(script) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        for _ in range(2):
            await c.post("/v1/responses", BODY)
            response = await c.response()
            assert (response.status, response.body) == (200, b"{}")
    assert up.connections == 1
