"""TLS and proxies on the way to an upstream: certificates are verified, and limits hold through a tunnel."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from addons.core.secrets import Origin
from addons.core.turn import ClientRequest, FaultKind, Plan
from tests.boundary.scripts import BODY, DONE, EVENT, begins, turn
from tests.support.certificates import Authority, make_authority
from tests.support.client import client
from tests.support.engine import QUICK, ScriptedPlan, engine, to_ports, wire_to
from tests.support.upstream import upstream
from tests.support.waiting import settle, until, within


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("certificates"))


def over_tls(port: int, plans: list[ScriptedPlan]) -> object:
    def make(request: ClientRequest) -> Plan:
        plans.append(ScriptedPlan(request, [wire_to(port, request, "https")]))
        return plans[-1]

    return make


async def test_untrusted_certificate_is_refused(authority: Authority, tmp_path: Path) -> None:
    plans: list[ScriptedPlan] = []
    async with upstream(turn, tls=authority.server_context()) as up:
        make = over_tls(up.port, plans)
        async with engine(make, confdir=str(tmp_path)) as proxy, client(proxy.port) as c:  # type: ignore[arg-type]
            await c.post("/v1/responses", BODY)
            response = await c.response()
    assert (response.status, b"does not trust the certificate" in response.body) == (502, True)
    assert [fault.kind for fault in plans[0].faults] == [FaultKind.TLS]
    assert up.requests == []


async def test_silent_client_with_broken_tls_is_disconnected() -> None:
    nonsense = b"not a hello".ljust(161, b".")
    async with engine(to_ports(1)) as proxy, client(proxy.port) as c:
        await c.send(b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1" + nonsense)
        c.writer.write_eof()
        assert await c.eof() == b""


async def test_certificate_of_a_named_authority_is_accepted(
    authority: Authority, tmp_path: Path
) -> None:
    options = {
        "ssl_verify_upstream_trusted_ca": str(authority.ca_file),
        "confdir": str(tmp_path),
    }
    async with upstream(turn, tls=authority.server_context()) as up:
        make = over_tls(up.port, [])
        async with engine(make, **options) as proxy, client(proxy.port) as c:  # type: ignore[arg-type]
            for _ in range(2):
                await c.post("/v1/responses", BODY)
                assert (await c.response()).body == EVENT + DONE
    assert up.connections == 1


@dataclass
class Tunnel:
    """A CONNECT proxy on loopback."""

    port: int = 0
    answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"
    heads: list[bytes] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        writer.write(self.answer)
        if b" 200 " in self.answer:
            host, port = head.split()[1].decode().rsplit(":", 1)
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
            back = asyncio.ensure_future(copy(far_reader, writer))
            await copy(reader, far_writer)
            await back
        else:
            await reader.read()
        self.closed.set()
        writer.close()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


@asynccontextmanager
async def tunnel(answer: bytes = Tunnel.answer) -> AsyncIterator[Tunnel]:
    fake = Tunnel(answer=answer)
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()
        await settle()


async def test_turns_pass_through_an_outbound_proxy(caplog: pytest.LogCaptureFixture) -> None:
    async with tunnel() as between, upstream(turn) as up:
        via = Origin("http", "127.0.0.1", between.port)
        async with engine(to_ports(up.port), proxy_for=lambda _: via) as proxy:
            async with client(proxy.port) as c:
                for _ in range(2):
                    await c.post("/v1/responses", BODY)
                    assert (await c.response()).body == EVENT + DONE
            await within(between.closed)
            await until(lambda: not proxy.layers)
            assert len(proxy.engine.pool) == 0
    assert [one for one in caplog.records if one.levelno >= logging.ERROR] == []
    assert [head.split(b"\r\n")[0] for head in between.heads] == [
        b"CONNECT 127.0.0.1:%d HTTP/1.1" % up.port
    ]
    assert b"uthorization" not in between.heads[0]


async def test_turn_over_tls_passes_through_an_outbound_proxy(
    authority: Authority, tmp_path: Path
) -> None:
    options = {"ssl_verify_upstream_trusted_ca": str(authority.ca_file), "confdir": str(tmp_path)}
    async with tunnel() as between, upstream(turn, tls=authority.server_context()) as up:
        via = Origin("http", "127.0.0.1", between.port)
        make = over_tls(up.port, [])
        async with (
            engine(make, proxy_for=lambda _: via, **options) as proxy,  # type: ignore[arg-type]
            client(proxy.port) as c,
        ):
            await c.post("/v1/responses", BODY)
            assert (await c.response()).body == EVENT + DONE
    assert len(between.heads) == 1


async def test_connect_limit_holds_through_an_outbound_proxy() -> None:
    async with tunnel(b"") as mute, upstream(turn) as up:
        via = Origin("http", "127.0.0.1", mute.port)
        limits = replace(QUICK, connect_seconds=0.2)
        async with (
            engine(to_ports(up.port), limits, proxy_for=lambda _: via) as proxy,
            client(proxy.port) as c,
        ):
            await c.post("/v1/responses", BODY)
            response = await c.response()
            await within(mute.closed)
    assert (response.status, b"no connection within 0.2 s" in response.body) == (502, True)


async def test_refusal_of_an_outbound_proxy_is_a_connect_fault() -> None:
    async with tunnel(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n") as no:
        via = Origin("http", "127.0.0.1", no.port)
        async with (
            engine(to_ports(1), proxy_for=lambda _: via) as proxy,
            client(proxy.port) as c,
        ):
            await c.post("/v1/responses", BODY)
            response = await c.response()
    assert (response.status, b"upstream_unreachable" in response.body) == (502, True)


async def test_kill_closes_the_tunnel() -> None:
    async with tunnel() as between, upstream(begins(EVENT)) as up:
        via = Origin("http", "127.0.0.1", between.port)
        async with (
            engine(to_ports(up.port), proxy_for=lambda _: via) as proxy,
            client(proxy.port) as c,
        ):
            await c.post("/v1/responses", BODY)
            begun = await c.head()
            assert await c.chunk() == EVENT
            proxy.flow.kill()
            assert (await c.rest(begun)).complete
            await within(up.gone)
            await until(lambda: len(proxy.layers[0].connections) == 1)
