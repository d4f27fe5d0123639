"""Turns to a fake ChatGPT backend over WebSocket, through a real Master on sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from addons.core.codex.login import Login, LoginProblem
from addons.core.limits import limits_from
from addons.core.providers.chatgpt import BaseUrl, ChatGPTProvider
from addons.core.providers.chatgpt_socket import RefusedUpgrades
from addons.core.routes import Route
from addons.core.secrets import Origin, Secret
from addons.core.settings.root import Transport
from addons.core.turn import ClientRequest, ClientTransport, Plan
from tests.boundary.masters import MASTERS, Proxy, StartMaster
from tests.conformance import parse
from tests.fakes.socket_backend import LOGIN, SocketBackend
from tests.support.client import Client, Response, client
from tests.support.upstream import Upstream, upstream

CODEX = (b"originator: codex_exec", b"session-id: s1", b"x-codex-turn-metadata: {}")
EACH_MASTER = pytest.mark.parametrize("start", MASTERS.values(), ids=list(MASTERS))
QUICK = {"connect_seconds": 5.0, "heartbeat_seconds": 5.0, "linger_seconds": 0.2}
Json = dict[str, Any]


def login(bearer: str = "b4ckend-bearer") -> Login:
    return Login(Secret(bearer), Secret(LOGIN[b"chatgpt-account-id"].decode()))


@dataclass
class Logins:
    """A login that a refresh may replace."""

    used: Login = field(default_factory=login)
    newer: Login | None = None

    @property
    def known(self) -> Login:
        return self.used

    def current(self) -> Login | LoginProblem:
        return self.used

    def reread(self) -> Login | LoginProblem:
        self.used = self.newer or self.used
        return self.used


Edit = Callable[[ClientRequest], ClientRequest]


@dataclass
class Setup:
    """The shim, the backend behind it, and a client's connection."""

    proxy: Proxy
    backend: SocketBackend
    upstream: Upstream
    client: Client
    logins: Logins
    refused: RefusedUpgrades
    edit: Edit = lambda request: request
    """What a WebSocket of the client would have added to the request."""

    async def ask(self, *items: object, **more: object) -> Response:
        """Send a turn on the client's connection, and return its whole answer."""
        await self.client.post("/v1/responses", body(*items, **more), *CODEX)
        return await self.client.response()

    def came_as(self, payload: Json) -> None:
        """Let the next turns come as this frame of a WebSocket."""
        text = orjson.dumps({"type": "response.create", **payload})
        by_socket = ClientTransport.WEBSOCKET
        self.edit = lambda request: replace_request(request, by_socket, text)


def replace_request(request: ClientRequest, by: ClientTransport, frame: bytes) -> ClientRequest:
    return replace(request, transport=by, frame=frame)


def body(*items: object, **more: object) -> bytes:
    fixed = {"model": "gpt-5.5", "instructions": "be brief", "store": False, "stream": True}
    return orjson.dumps({**fixed, "input": list(items), **more})


def events(response: Response) -> list[Json]:
    assert response.complete
    return [event for event in parse(response.body) if "heartbeat" not in event["type"]]


def kinds(response: Response) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events(response)]


def failure(response: Response) -> str:
    code: str = events(response)[-1]["response"]["error"]["code"]
    return code


GOOD = ["created", "output_text.delta", "completed"]


def write(folder: Path, limits: Mapping[str, float]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "models.json").write_bytes(orjson.dumps({"limits": limits}))


@asynccontextmanager
async def setup(
    start: StartMaster,
    folder: Path,
    backend: SocketBackend,
    transport: Transport = "websocket",
    *,
    plain_handover: bool = False,
    **limits: float,
) -> AsyncIterator[Setup]:
    chosen = {**QUICK, **limits}
    write(folder, chosen)
    found: list[Setup] = []
    async with upstream(backend.serve) as up:
        base = BaseUrl(Origin("http", "127.0.0.1", up.port), "/backend-api/codex")
        logins, refused = Logins(), RefusedUpgrades(lambda: 0.0)
        provider = ChatGPTProvider(
            logins,
            base,
            transport=transport,
            plain_handover=plain_handover,
            refused_upgrades=refused,
            limits=limits_from(chosen, {})[0],
        )

        def make(request: ClientRequest) -> Plan:
            return provider.plan(found[0].edit(request.with_model("gpt-5.5")), ROUTE)

        async with start(folder, make) as proxy, client(proxy.port) as c:
            found.append(Setup(proxy, backend, up, c, logins, refused))
            yield found[0]


ROUTE = Route("gpt-5.5", "GPT", "chatgpt", "gpt-5.5", {}, lambda *_: None)  # type: ignore[arg-type]
