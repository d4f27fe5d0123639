"""A relay that puts a distance between client and upstream: each byte takes half a round trip, and connecting a whole one.

Run as `python -m benchmarks.speed.relay PORT UPSTREAM_PORT MILLISECONDS`.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from functools import partial


async def serve(
    upstream_port: int,
    round_trip: float,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """Carry one connection."""
    # the system has connected at once; what the client sends is held back for as long as its handshake would have taken
    await asyncio.sleep(round_trip)
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", upstream_port)
    await asyncio.gather(
        _carry(reader, far_writer, round_trip / 2), _carry(far_reader, writer, round_trip / 2)
    )


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Write each read after the delay, in order. Later reads do not wait for earlier ones."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            loop.call_later(delay, writer.write, data)
    loop.call_later(delay, writer.close)


async def main(port: int, upstream_port: int, milliseconds: float) -> None:
    """Listen until the process is killed."""
    carry = partial(serve, upstream_port, milliseconds / 1000)
    async with await asyncio.start_server(carry, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
