"""A reset that comes in one read with the request's end is not lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.boundary.scripts import BODY, begins, silence
from tests.support.engine import engine, to_ports
from tests.support.http2 import H2Client, h2_client
from tests.support.upstream import upstream
from tests.support.waiting import until


def write_request(c: H2Client) -> int:
    """Write a whole request without sending it."""
    stream = int(c.h2.get_next_available_stream_id())
    names = (":method", "POST"), (":scheme", "https"), (":authority", "x"), (":path", "/")
    c.h2.send_headers(stream, names)
    c.h2.send_data(stream, BODY, end_stream=True)
    return stream


@pytest.mark.parametrize("script", [silence, begins(b"data: {}\n\n")])
async def test_reset_in_one_read_with_the_end_of_the_request_ends_the_turn(
    script: object, tmp_path: Path
) -> None:
    async with (
        upstream(script) as up,  # type: ignore[arg-type]
        engine(to_ports(up.port), confdir=str(tmp_path)) as proxy,
        h2_client(proxy.port) as c,
    ):
        for _ in range(8):
            c.h2.reset_stream(write_request(c))
        await c.flush()
        await until(lambda: proxy.addon.log.count("error") == 8)
        assert proxy.engine.live_turns == 0
        await until(lambda: not proxy.layers[0].streams)


async def test_goaway_in_one_read_with_the_end_of_the_request_ends_the_turn(
    tmp_path: Path,
) -> None:
    async with (
        upstream(silence) as up,
        engine(to_ports(up.port), confdir=str(tmp_path)) as proxy,
        h2_client(proxy.port) as c,
    ):
        write_request(c)
        c.h2.close_connection()
        await c.flush()
        await until(lambda: proxy.addon.log.count("error") == 1)
        assert proxy.engine.live_turns == 0
