"""Faults of clients with a WebSocket: rows of the same table as those of clients by HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.faults.client_faults import client_fault, turns
from tests.faults.shim import CODEX, RunningShim
from tests.faults.websocket import turn
from tests.support.waiting import until
from tests.support.websocket import BINARY, CLOSE, TEXT, Closed, Socket, create, frame, websocket


def text_of(shim: RunningShim) -> bytes:
    return json.dumps({"type": "response.create", **json.loads(shim.body)}).encode()


@asynccontextmanager
async def running_turn(shim: RunningShim) -> AsyncIterator[Socket]:
    """A connection whose turn has begun and does not end. Its upstream's work ends with it."""
    shim.hold()
    async with websocket(shim.port, CODEX) as socket:
        await socket.send(text_of(shim))
        await until(lambda: turns(shim) == 1)
        yield socket
        await until(lambda: turns(shim) == 0)
    await until(lambda: shim.work.running == 0)


async def goes_on(socket: Socket, shim: RunningShim) -> None:
    """The next turn of the same connection gets a whole answer."""
    seen, _ = await turn(socket, shim)
    assert seen.terminal == "response.completed", seen


@client_fault(
    "sends a frame that is no request over its WebSocket",
    "an error frame with status 422, and the connection goes on",
)
async def bad_frame(shim: RunningShim) -> None:
    async with websocket(shim.port, CODEX) as socket:
        for text in (b"{", b"[]", b'{"type":"response.cancel"}'):
            await socket.send(text)
            event = await socket.event()
            assert (event["type"], event["status"]) == ("error", 422)
        await goes_on(socket, shim)


@client_fault(
    "continues a response that its WebSocket does not know",
    "an error frame with status 400 `previous_response_not_found`, at which Codex sends everything",
)
async def unknown_response(shim: RunningShim) -> None:
    async with websocket(shim.port, CODEX) as socket:
        await socket.send(create(previous_response_id="resp_unknown", store=False))
        event = await socket.event()
        assert (event["status"], event["error"]["code"]) == (400, "previous_response_not_found")
        await goes_on(socket, shim)


@client_fault("sends a binary frame during a turn", "close code 1003, and the upstream's work ends", local=False)  # fmt: skip
async def binary_frame(shim: RunningShim) -> None:
    async with running_turn(shim) as socket:
        await socket.raw.send(frame(BINARY, b"{}"))
        assert (await socket.closed()).code == 1003


@client_fault("sends a frame without a mask during a turn", "close code 1002, and the upstream's work ends", local=False)  # fmt: skip
async def unmasked_frame(shim: RunningShim) -> None:
    async with running_turn(shim) as socket:
        await socket.raw.send(frame(TEXT, text_of(shim), masked=False))
        assert (await socket.closed()).code == 1002


@client_fault("sends a frame of more than `body_bytes`", "close code 1009", body_bytes=100_000)
async def large_frame(shim: RunningShim) -> None:
    async with websocket(shim.port, CODEX) as socket:
        await socket.send(create(input=["x" * 100_000]))
        assert (await socket.closed()).code == 1009


@client_fault("sends half a frame", "close code 1008 after `body_seconds`", body_seconds=0.4)
async def half_frame(shim: RunningShim) -> None:
    async with websocket(shim.port, CODEX) as socket:
        await socket.raw.send(frame(TEXT, text_of(shim))[:-10])
        assert (await socket.closed()).code == 1008


@client_fault("sends more than four frames during a turn", "close code 1008, and the upstream's work ends", local=False)  # fmt: skip
async def many_frames(shim: RunningShim) -> None:
    async with running_turn(shim) as socket:
        await socket.raw.send(frame(TEXT, text_of(shim)) * 5)
        assert (await socket.closed()).code == 1008


@client_fault("closes its WebSocket during a turn", "the upstream's work ends", local=False)
async def closes_websocket(shim: RunningShim) -> None:
    async with running_turn(shim) as socket:
        await socket.raw.send(frame(CLOSE, b"\x03\xe8"))
        assert (await socket.closed()).code == 1000


@client_fault("drops its WebSocket during a turn", "the upstream's work ends", local=False)
async def drops_websocket(shim: RunningShim) -> None:
    async with running_turn(shim) as socket:
        socket.raw.abort()
        assert await socket.closed() == Closed(None)
