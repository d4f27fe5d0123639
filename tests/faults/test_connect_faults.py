"""Upstreams that cannot be reached or trusted. The next turn works once they can be."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.connect_faults import CONNECT_FAULTS, ConnectFault
from tests.faults.oracle import seen_in
from tests.faults.routes import WITH_UPSTREAM, RouteKind
from tests.faults.shim import CLIENTS, complete_answer, running_shim
from tests.faults.websocket import ask as over_a_websocket
from tests.support.certificates import DAY, make_authority
from tests.support.upstream import upstream

NAME = "upstream.invalid"


@dataclass
class BrokenUpstream:
    """An upstream that cannot be reached. `repair` makes it reachable."""

    base: str
    env: dict[str, str]
    repair: Callable[[], Any]


@asynccontextmanager
async def refused(route: RouteKind) -> AsyncIterator[BrokenUpstream]:
    """A port that is bound and does not listen."""
    async with AsyncExitStack() as stack:
        held = stack.enter_context(closing(socket.socket()))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]

        async def repair() -> None:
            held.close()
            await stack.enter_async_context(upstream(complete_answer(route), port=port))

        yield BrokenUpstream(f"http://127.0.0.1:{port}", {}, repair)


@asynccontextmanager
async def unknown_name(
    route: RouteKind, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[BrokenUpstream]:
    """A host name that does not resolve. The lookup never leaves this process."""
    authority = make_authority(folder / "tmp", NAME)
    resolve, known = socket.getaddrinfo, False

    def looked_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in {NAME, NAME.encode()}:
            return resolve(host, *args, **kwargs)
        if not known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve("127.0.0.1", *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)

    async def repair() -> None:
        nonlocal known
        known = True

    async with upstream(complete_answer(route), tls=authority.server_context()) as up:
        env = {"CODEX_SHIM_CA_FILE": str(authority.ca_file)}
        yield BrokenUpstream(f"https://{NAME}:{up.port}", env, repair)


@asynccontextmanager
async def untrusted_certificate(
    route: RouteKind, folder: Path, host: str, lasts: dt.timedelta, known: str
) -> AsyncIterator[BrokenUpstream]:
    """A certificate for another name, an expired one, or one of an unknown authority."""
    bad, good = folder / "tmp" / "bad", folder / "tmp" / "good"
    bad.mkdir()
    good.mkdir()
    wrong, right = make_authority(bad, host, lasts), make_authority(good)
    context = wrong.server_context()
    both = folder / "tmp" / "authorities.pem"
    authorities = [right.ca_file, wrong.ca_file] if known == "known" else [right.ca_file]
    both.write_bytes(b"".join(path.read_bytes() for path in authorities))

    async def repair() -> None:
        context.load_cert_chain(right.server_file)

    context.minimum_version = ssl.TLSVersion.TLSv1_2
    async with upstream(complete_answer(route), tls=context) as up:
        yield BrokenUpstream(
            f"https://127.0.0.1:{up.port}", {"CODEX_SHIM_CA_FILE": str(both)}, repair
        )
        assert all(b"POST" not in request.line for request in up.requests[:-2])


@asynccontextmanager
async def broken_upstream_of(
    fault: ConnectFault, route: RouteKind, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[BrokenUpstream]:
    """Return the upstream of one row."""
    upstreams = {
        "refused": lambda: refused(route),
        "dns": lambda: unknown_name(route, folder, monkeypatch),
        "tls-expired": lambda: untrusted_certificate(route, folder, "127.0.0.1", -DAY, "known"),
        "tls-wrong-host": lambda: untrusted_certificate(
            route, folder, "other.invalid", DAY, "known"
        ),
        "tls-self-signed": lambda: untrusted_certificate(
            route, folder, "127.0.0.1", DAY, "unknown"
        ),
    }
    async with upstreams[fault.name]() as broken:
        yield broken


@pytest.mark.parametrize("route", WITH_UPSTREAM, ids=str)
@pytest.mark.parametrize("fault", CONNECT_FAULTS, ids=str)
async def test_connect_fault(
    folder: Path, monkeypatch: pytest.MonkeyPatch, route: RouteKind, fault: ConnectFault
) -> None:
    async with (
        broken_upstream_of(fault, route, folder, monkeypatch) as broken,
        running_shim(route, folder, base=broken.base, env=broken.env) as shim,
    ):
        for client in CLIENTS:
            response = await shim.ask(CLIENTS[client])
            assert fault.expected.for_client(client).differs(seen := seen_in(response)) == [], (
                client,
                seen,
            )
            shim.check_one_answer(response)
        seen, _ = await over_a_websocket(shim)
        assert fault.expected.codex.differs(seen) == [], seen
        await broken.repair()
        for client in CLIENTS:
            shim.check_whole(await shim.ask(CLIENTS[client]))
    for file in (folder / "tmp").rglob("*.pem"):
        file.unlink()
