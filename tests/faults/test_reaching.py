"""Upstreams that cannot be reached, or that nobody vouches for; and that the next turn works once they can be."""

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

from tests.faults.oracle import seen_in
from tests.faults.reaching import REACHING, Reach
from tests.faults.routes import WITH_UPSTREAM, RouteKind
from tests.faults.stage import CLIENTS, stage, whole
from tests.support.certificates import DAY, make_authority
from tests.support.upstream import upstream

NAME = "upstream.invalid"


@dataclass
class Way:
    """The way to an upstream, broken; `heal` mends it."""

    base: str
    env: dict[str, str]
    heal: Callable[[], Any]


@asynccontextmanager
async def refused(route: RouteKind) -> AsyncIterator[Way]:
    """A port that is taken and where nobody listens."""
    async with AsyncExitStack() as stack:
        held = stack.enter_context(closing(socket.socket()))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]

        async def heal() -> None:
            held.close()
            await stack.enter_async_context(upstream(whole(route), port=port))

        yield Way(f"http://127.0.0.1:{port}", {}, heal)


@asynccontextmanager
async def unknown_name(
    route: RouteKind, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Way]:
    """A name that no resolver knows. It is never asked for outside this process."""
    authority = make_authority(folder / "tmp", NAME)
    resolve, known = socket.getaddrinfo, False

    def looked_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in {NAME, NAME.encode()}:
            return resolve(host, *args, **kwargs)
        if not known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve("127.0.0.1", *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)

    async def heal() -> None:
        nonlocal known
        known = True

    async with upstream(whole(route), tls=authority.server_context()) as up:
        env = {"CODEX_SHIM_CA_FILE": str(authority.ca_file)}
        yield Way(f"https://{NAME}:{up.port}", env, heal)


@asynccontextmanager
async def badly_vouched_for(
    route: RouteKind, folder: Path, host: str, lasts: dt.timedelta, known: str
) -> AsyncIterator[Way]:
    """A certificate for another name, for yesterday, or of an authority that nobody knows."""
    bad, good = folder / "tmp" / "bad", folder / "tmp" / "good"
    bad.mkdir()
    good.mkdir()
    wrong, right = make_authority(bad, host, lasts), make_authority(good)
    context = wrong.server_context()
    both = folder / "tmp" / "authorities.pem"
    authorities = [right.ca_file, wrong.ca_file] if known == "known" else [right.ca_file]
    both.write_bytes(b"".join(path.read_bytes() for path in authorities))

    async def heal() -> None:
        context.load_cert_chain(right.server_file)

    context.minimum_version = ssl.TLSVersion.TLSv1_2
    async with upstream(whole(route), tls=context) as up:
        yield Way(f"https://127.0.0.1:{up.port}", {"CODEX_SHIM_CA_FILE": str(both)}, heal)
        assert all(b"POST" not in request.line for request in up.requests[:-2])


@asynccontextmanager
async def broken(
    reach: Reach, route: RouteKind, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Way]:
    """The broken way of one row."""
    ways = {
        "refused": lambda: refused(route),
        "dns": lambda: unknown_name(route, folder, monkeypatch),
        "tls-expired": lambda: badly_vouched_for(route, folder, "127.0.0.1", -DAY, "known"),
        "tls-wrong-host": lambda: badly_vouched_for(route, folder, "other.invalid", DAY, "known"),
        "tls-self-signed": lambda: badly_vouched_for(route, folder, "127.0.0.1", DAY, "unknown"),
    }
    async with ways[reach.name]() as way:
        yield way


@pytest.mark.parametrize("route", WITH_UPSTREAM, ids=str)
@pytest.mark.parametrize("reach", REACHING, ids=str)
async def test_reaching(
    folder: Path, monkeypatch: pytest.MonkeyPatch, route: RouteKind, reach: Reach
) -> None:
    async with (
        broken(reach, route, folder, monkeypatch) as way,
        stage(route, folder, base=way.base, env=way.env) as one,
    ):
        for client in CLIENTS:
            response = await one.ask(CLIENTS[client])
            assert reach.told.of(client).differs(seen := seen_in(response)) == [], (client, seen)
            one.is_one_answer(response)
        await way.heal()
        for client in CLIENTS:
            one.is_whole(await one.ask(CLIENTS[client]))
    for file in (folder / "tmp").rglob("*.pem"):
        file.unlink()
