"""A connection without a client: opened with the options of TLS that are in force, released or closed."""

from __future__ import annotations

from pathlib import Path

import pytest
from mitmproxy import ctx

from addons.proxy.engine.upstream.opening import OpeningHandler
from tests.boundary.scripts import turn
from tests.support.certificates import make_authority
from tests.support.engine import engine, to_ports
from tests.support.upstream import upstream
from tests.support.waiting import until


@pytest.mark.parametrize("trusted", [True, False])
async def test_tls_is_established_with_a_trusted_server_only(tmp_path: Path, trusted: bool) -> None:
    authority = make_authority(tmp_path)
    options = {"confdir": str(tmp_path)}
    if trusted:
        options["ssl_verify_upstream_trusted_ca"] = str(authority.ca_file)
    async with (
        upstream(turn, tls=authority.server_context()) as up,
        engine(to_ports(1), **options),  # type: ignore[arg-type]
    ):
        handler = OpeningHandler(("127.0.0.1", up.port), ctx.options, tls=True)
        server = await handler.connect()
        assert bool(server and server.tls_established) is trusted
        await handler.end()


async def test_refused_connection_is_none() -> None:
    async with engine(to_ports(1)):
        async with upstream(turn) as up:
            port = up.port
        handler = OpeningHandler(("127.0.0.1", port), ctx.options, tls=False)
        assert await handler.connect() is None
        await handler.end()


async def test_end_closes_the_connection_and_sends_nothing() -> None:
    async with upstream(turn) as up, engine(to_ports(1)):
        handler = OpeningHandler(("127.0.0.1", up.port), ctx.options, tls=False)
        server = await handler.connect()
        assert server
        assert server.connected
        assert handler.release()[-1].context.server is server
        await handler.end()
        await until(up.gone.is_set)
        assert up.requests == []
