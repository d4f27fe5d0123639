"""Fuzz the listener of a running shim over raw sockets, and check that it still serves afterwards."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from random import Random

import orjson

from addons.proxy.master import ListenOptions, ShimMaster
from benchmarks.fuzz.mutate import mutated

TURN = b'{"model":"shim-demo","input":"hi"}'
_HEAD = b"POST /v1/responses HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
CORPUS = (
    _HEAD + b"content-length: %d\r\n\r\n" % len(TURN) + TURN,
    _HEAD + b"transfer-encoding: chunked\r\n\r\n%x\r\n" % len(TURN) + TURN + b"\r\n0\r\n\r\n",
    b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
    b"GET /v1/models?client_version=1 HTTP/1.1\r\nhost: [::1]:8765\r\nif-none-match: *\r\n\r\n",
    b"CONNECT evil.example:443 HTTP/1.1\r\nhost: evil.example\r\n\r\n",
    b"GET http://evil.example/ HTTP/1.1\r\nhost: localhost\r\norigin: null\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + bytes(40),
)
ANSWER_SECONDS = 20.0
PROBE_INTERVAL = 100
LANES = 8
SHORT_LIMITS = {"CODEX_SHIM_HEAD_SECONDS": "1", "CODEX_SHIM_DRAIN_SECONDS": "1"}


async def _try_one(port: int, data: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        writer.write_eof()
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = await reader.read()
        # The answer to an HTTP/2 client is a frame, to a TLS client an alert.
        is_known = answer.startswith((b"HTTP/1.", b"\x15\x03", b"\x16\x03", b"\x00"))
        assert not answer or is_known, answer[:100]
    except ConnectionError:
        pass
    finally:
        writer.close()


async def live_turns(port: int) -> int:
    """Return the number of running turns that /health reports."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = await reader.read()
    finally:
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200 "), answer[:200]
    return int(orjson.loads(answer.partition(b"\r\n\r\n")[2])["live_turns"])


async def _try_in_turn(port: int, inputs: int, rng: Random) -> None:
    for number in range(inputs):
        await _try_one(port, mutated(rng.choice(CORPUS), CORPUS, rng))
        if number % PROBE_INTERVAL == 0:
            await live_turns(port)


async def _campaign(inputs: int, seed: int, folder: Path) -> None:
    ready = asyncio.Event()
    env = {"HOME": str(folder), "PATH": "", "CODEX_SHIM_STATE_DIR": str(folder / "state")}
    env |= SHORT_LIMITS
    listen = ListenOptions("127.0.0.1", 0, folder / "models.json")
    master = ShimMaster(listen, lambda _: ready.set(), env)
    running = asyncio.ensure_future(master.run())
    await ready.wait()
    port = int(master.address.rpartition(":")[2])
    try:
        async with asyncio.TaskGroup() as group:
            for lane in range(LANES):
                share = inputs // LANES + (lane < inputs % LANES)
                rng = Random(f"{seed}/front/{lane}")  # noqa: S311  a seed makes it repeatable
                group.create_task(_try_in_turn(port, share, rng))
        async with asyncio.timeout(ANSWER_SECONDS):
            while await live_turns(port):  # noqa: ASYNC110  another connection has no event
                await asyncio.sleep(0.05)
    finally:
        master.shutdown()  # type: ignore[no-untyped-call]
        await running


def run(inputs: int, seed: int) -> None:
    """Try this many inputs."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_campaign(inputs, seed, Path(folder)))
