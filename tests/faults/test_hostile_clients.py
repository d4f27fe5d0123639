"""Hostile clients: web pages, malformed and smuggled requests, decompression bombs, floods. Nothing reaches an upstream."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import tracemalloc
import zlib
from collections.abc import Callable
from itertools import product
from pathlib import Path

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard

from tests.faults.oracle import seen_in
from tests.faults.routes import ROUTES, WITH_UPSTREAM, RouteKind
from tests.faults.shim import CODEX, SDK, RunningShim, running_shim
from tests.support.client import client
from tests.support.upstream import Exchange, Script
from tests.support.waiting import LONGEST, until

CHAT = ROUTES[1]
MIB = 1024 * 1024

# Web pages ----------------------------------------------------------------------------------------------------

EVIL = b"origin: https://evil.example"
PAGES: dict[str, tuple[bytes, ...]] = {
    "fetch": (EVIL, b"sec-fetch-site: cross-site", b"content-type: application/json"),
    "fetch without cors": (EVIL, b"sec-fetch-mode: no-cors", b"content-type: text/plain"),
    "sandboxed frame": (b"origin: null", b"content-type: application/json"),
    "form": (EVIL, b"content-type: application/x-www-form-urlencoded"),
    "multipart form": (EVIL, b"content-type: multipart/form-data; boundary=x"),
    "beacon": (EVIL, b"sec-fetch-dest: empty", b"content-type: text/plain;charset=UTF-8"),
    "old browser": (b"referer: https://evil.example/", b"content-type: text/plain"),
    "another port": (b"origin: http://127.0.0.1:3000", b"content-type: application/json"),
    "same site": (b"sec-fetch-site: same-site", b"content-type: application/json"),
    "similar name": (b"origin: http://127.0.0.1.evil.example", b"content-type: application/json"),
    "extension": (b"origin: chrome-extension://abcdef", b"content-type: application/json"),
    "upgrade": (EVIL, b"connection: upgrade", b"upgrade: websocket", b"sec-websocket-version: 13"),
}
PATHS = ("/v1/responses", "/responses", "/v1/responses/compact", "/api/switch")
METHODS = (b"POST", b"OPTIONS", b"PUT")


async def send_as_page(
    shim: RunningShim,
    method: bytes,
    path: str,
    lines: tuple[bytes, ...],
    host: bytes = b"127.0.0.1",
) -> int:
    """Send a request as a browser does. The response must not contain a CORS header."""
    async with client(shim.port) as c:
        head = b"%s %s HTTP/1.1\r\nhost: %s\r\n" % (method, path.encode(), host)
        extra = b"".join(line + b"\r\n" for line in lines)
        await c.send(head + extra + b"content-length: %d\r\n\r\n" % len(shim.body) + shim.body)
        response = await c.response()
    assert b"access-control" not in response.head.lower()
    assert response.header(b"content-type") == b"application/json"
    return response.status


@pytest.mark.parametrize("page", PAGES)
async def test_request_of_a_web_page_is_rejected(folder: Path, page: str) -> None:
    async with running_shim(CHAT, folder) as shim:
        for method, path in product(METHODS, PATHS):
            status = await send_as_page(shim, method, path, PAGES[page])
            assert 400 <= status < 500, (method, path, status)
        assert shim.up.requests == []
        await shim.check_next_turns()


@pytest.mark.parametrize(
    "host", [b"evil.example", b"localhost.evil.example", b"127.0.0.1.", b"0.0.0.0", b"a@127.0.0.1"]
)
async def test_request_for_another_host_name_is_rejected(folder: Path, host: bytes) -> None:
    async with running_shim(CHAT, folder) as shim:
        lines = (b"content-type: application/json",)
        for path in PATHS:
            assert await send_as_page(shim, b"POST", path, lines, host) == 403
        assert shim.up.requests == []
        await shim.check_next_turns()


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"DELETE"])
async def test_request_with_a_safe_method_changes_nothing(folder: Path, method: bytes) -> None:
    async with running_shim(CHAT, folder) as shim, client(shim.port) as c:
        before = files(folder)
        for path in (b"/api/switch", b"/v1/responses", b"/api/switch?model=shim-demo"):
            await c.send(b"%s %s HTTP/1.1\r\nhost: localhost\r\n\r\n" % (method, path))
            head = await c.head()
            assert head.status == 405
            await c.reader.readexactly(
                0 if method == b"HEAD" else int(head.header(b"content-length") or 0)
            )
        assert files(folder) == before
        assert shim.up.requests == []


# Malformed and smuggled heads -----------------------------------------------------------------------------------

_POST = b"POST /v1/responses HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
SMUGGLED = b"POST /v1/responses HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}"
HEADS: dict[str, bytes] = {
    "length and chunked": _POST + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two lengths": _POST + b"content-length: 0\r\ncontent-length: 9\r\n\r\n" + SMUGGLED,
    "list of lengths": _POST + b"content-length: 0, 9\r\n\r\n" + SMUGGLED,
    "signed length": _POST + b"content-length: +0\r\n\r\n" + SMUGGLED,
    "blank before colon": _POST + b"content-length : 0\r\n\r\n" + SMUGGLED,
    "chunked twice": _POST + b"transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "odd coding": _POST + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "folded coding": _POST + b"transfer-encoding:\r\n chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "NUL in a value": _POST + b"x: a\x00b\r\ncontent-length: 0\r\n\r\n",
    "bare CR in a value": _POST + b"x: a\rb\r\ncontent-length: 0\r\n\r\n",
    "broken chunk": _POST + b"transfer-encoding: chunked\r\n\r\nG\r\n" + SMUGGLED,
    "chunk that lies": _POST + b"transfer-encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n" + SMUGGLED,
    "absolute form": b"POST http://evil.example/v1/responses HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
    "CONNECT": b"CONNECT evil.example:443 HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "upgrade to h2c": b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n",
    "HTTP/0.9": b"GET /v1/responses\r\n\r\n",
    "no HTTP": b"\x00\x01\x02\x03\r\n\r\n",
    "many headers": _POST + b"".join(b"x-%d: y\r\n" % n for n in range(8000)) + b"\r\n",
    "long header": _POST + b"x: " + b"y" * 70_000 + b"\r\n\r\n",
    "long target": b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
}  # fmt: skip
ACCEPTED = {"upgrade to h2c"}
"""Answered as a plain request. The upgrade is ignored."""


@pytest.mark.parametrize("name", HEADS)
async def test_malformed_head_does_not_reach_an_upstream(folder: Path, name: str) -> None:
    async with running_shim(CHAT, folder) as shim:
        async with client(shim.port) as c:
            await c.send(HEADS[name])
            response = await c.response()
            assert (response.status == 200) is (name in ACCEPTED), response
            assert response.status < 500
            c.writer.write_eof()
            rest = await c.eof()
        assert b"HTTP/1.1 101" not in response.head + rest
        assert b"response.completed" not in rest
        assert shim.up.requests == []
        await shim.check_next_turns()


# Bombs --------------------------------------------------------------------------------------------------------

BOMB = 400 * MIB


def _zstd() -> bytes:
    compressor = zstandard.ZstdCompressor(level=1).compressobj()
    parts = [compressor.compress(bytes(MIB)) for _ in range(BOMB // MIB)]
    return b"".join([*parts, compressor.flush()])


def _gzip(wbits: int = 31) -> bytes:
    compressor = zlib.compressobj(1, zlib.DEFLATED, wbits)
    parts = [compressor.compress(bytes(MIB)) for _ in range(BOMB // MIB)]
    return b"".join([*parts, compressor.flush()])


def _brotli() -> bytes:
    compressor = brotli.Compressor(quality=1)
    parts = [compressor.process(bytes(MIB)) for _ in range(BOMB // MIB)]
    return b"".join([*parts, compressor.finish()])


BOMBS: dict[str, Callable[[], bytes]] = {"zstd": _zstd, "gzip": _gzip, "br": _brotli}


@pytest.mark.parametrize("coding", BOMBS)
async def test_decompression_bomb_in_a_request_is_rejected(folder: Path, coding: str) -> None:
    bomb = BOMBS[coding]()
    async with running_shim(CHAT, folder, limits={"body_bytes": 8 * MIB}) as shim:
        tracemalloc.start()
        try:
            async with client(shim.port) as c:
                line = b"content-encoding: " + coding.encode()
                await c.post("/v1/responses", bomb, line, SDK)
                response = await c.response()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert response.status in {400, 413, 415}
        assert peak < 100 * MIB
        assert shim.up.requests == []
        await shim.check_next_turns()


@pytest.mark.parametrize("route", WITH_UPSTREAM, ids=str)
@pytest.mark.parametrize("status", [b"200 OK", b"400 Bad Request"])
async def test_decompression_bomb_in_an_answer_is_not_inflated(
    folder: Path, route: RouteKind, status: bytes
) -> None:
    bomb = gzip.compress(bytes(64 * MIB), 1)

    def answers() -> Script:
        async def script(exchange: Exchange) -> None:
            kind = b"text/event-stream" if status.startswith(b"200") else b"application/json"
            await exchange.whole(
                bomb, b"content-type: " + kind, b"content-encoding: gzip", status=status
            )

        return script

    async with running_shim(route, folder) as shim:
        shim.play(answers())
        tracemalloc.start()
        try:
            response = await shim.ask(CODEX)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert seen_in(response).terminal != "response.completed"
        assert peak < 32 * MIB
        await shim.check_next_turns()


# Floods -------------------------------------------------------------------------------------------------------


async def test_half_sent_requests_do_not_block_other_clients(folder: Path) -> None:
    async with running_shim(CHAT, folder, limits={"head_seconds": 15.0}) as shim:
        held = [await asyncio.open_connection("127.0.0.1", shim.port) for _ in range(200)]
        for _, writer in held:
            writer.write(b"POST /v1/responses HTTP/1.1\r\nhost: localhost\r\nx: ")
        await shim.check_next_turns()
        for _, writer in held:
            writer.close()


async def test_three_hundred_simultaneous_connections_are_accepted(folder: Path) -> None:
    """They connect while the loop is busy, so all of them wait in the queue of the listener."""
    async with running_shim(CHAT, folder) as shim:
        connections = [
            socket.create_connection(("127.0.0.1", shim.port), timeout=LONGEST / 4)
            for _ in range(300)
        ]
        await shim.check_next_turns()
        for connection in connections:
            connection.close()


async def test_connection_that_was_idle_longest_is_closed_at_the_limit(folder: Path) -> None:
    async with running_shim(CHAT, folder, limits={"client_connections": 5}) as shim:
        held = [await asyncio.open_connection("127.0.0.1", shim.port) for _ in range(5)]
        connections = shim.master.addons.get("proxyserver").connections
        await until(lambda: len(connections) == 5)
        await shim.check_next_turns()
        async with asyncio.timeout(LONGEST):
            assert await held[0][0].read() == b""
        assert not held[4][0].at_eof()
        for _, writer in held:
            writer.close()


async def test_connection_with_a_running_turn_is_not_closed_at_the_limit(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def holds(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(CHAT.healthy.begin)
        await exchange.closed()

    async with running_shim(CHAT, folder, limits={"client_connections": 1}) as shim:
        shim.play(holds)
        async with client(shim.port) as c:
            await shim.post(c, CODEX)
            await c.head()
            for _ in range(3):
                async with client(shim.port) as other:
                    await other.get("/health")
                    assert json.loads((await other.response()).body)["live_turns"] == 1
            c.abort()
        await shim.check_next_turns()
    assert "internal error" not in caplog.text
