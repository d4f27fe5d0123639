"""The way of a WebSocket to ChatGPT: TLS, outbound proxies, and how many bytes a session takes on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from addons.core.secrets import Origin
from addons.core.turn import ClientRequest, Plan
from tests.boundary.masters import MASTERS
from tests.boundary.socket_turns import GOOD, body, kinds, setup
from tests.boundary.test_tls import tunnel
from tests.fakes.socket_backend import PATH, SocketBackend
from tests.support.certificates import Authority, make_authority
from tests.support.client import client
from tests.support.engine import MakePlan, ScriptedPlan, engine, wire_to
from tests.support.upstream import upstream
from tests.support.waiting import within

TURN = b'{"model":"gpt-5.5","input":[],"store":false}'


def by_socket(port: int, scheme: str) -> MakePlan:
    def make(request: ClientRequest) -> Plan:
        wire = replace(wire_to(port, request, scheme), path=PATH.decode(), frame=b"")
        return ScriptedPlan(request, [wire])

    return make


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("certificates"))


@pytest.mark.parametrize("through_proxy", [False, True])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_turns_share_a_socket_over_tls_and_through_a_proxy(
    authority: Authority, tmp_path: Path, scheme: str, through_proxy: bool
) -> None:
    backend = SocketBackend(login={})
    tls = authority.server_context()
    # the real backend prefers HTTP/2, which has no upgrade
    tls.set_alpn_protocols(["h2", "http/1.1"])
    trust = str(authority.ca_file)
    async with (
        tunnel() as between,
        upstream(backend.serve, tls=tls if scheme == "https" else None) as up,
    ):
        via = Origin("http", "127.0.0.1", between.port) if through_proxy else None
        async with (
            engine(
                by_socket(up.port, scheme),
                proxy_for=lambda _: via,
                ssl_verify_upstream_trusted_ca=trust,
                confdir=str(tmp_path),
            ) as proxy,
            client(proxy.port) as c,
        ):
            for _ in range(3):
                await c.post("/v1/responses", TURN)
                assert kinds(await c.response()) == GOOD
        await within(up.gone)
    assert (len(backend.upgrades), backend.paid) == (1, ["frame"] * 3)
    assert len(between.heads) == int(through_proxy)


# Bytes --------------------------------------------------------------------------------------------------------

REQUESTS = 30
WORDS = Path(__file__).parents[2].joinpath("docs", "faults.md").read_text(encoding="utf-8").split()


def tools() -> list[dict[str, object]]:
    """Return tools of the size of Codex's: 18 kB of JSON in each request."""
    made: list[dict[str, object]] = []
    used = 0
    while len(orjson.dumps(made)) < 18_000:
        description, used = " ".join(WORDS[used : used + 70]), used + 70
        parameters = {"type": "object", "properties": {"cmd": {"type": "string"}}}
        tool = {"type": "function", "name": f"tool_{used}", "description": description}
        made.append({**tool, "parameters": parameters, "strict": False})
    return made


def session() -> Iterator[tuple[dict[str, object], list[object]]]:
    """Yield for each request its frame, which holds what is new, and its whole input."""
    fixed, whole, used = {**orjson.loads(body()), "tools": tools()}, [], 3000
    for number in range(REQUESTS):
        text, used = " ".join(WORDS[used : used + 150]), used + 150
        part = {"type": "input_text", "text": text}
        item = {"type": "message", "role": "user", "content": [part]}
        previous = {"previous_response_id": f"resp_{number}"} if number else {}
        whole.append(item)
        yield {**fixed, "input": [item], **previous}, list(whole)


@pytest.mark.parametrize(("deflates", "most"), [(True, 100_000), (False, 650_000)])
async def test_session_takes_few_bytes_on_the_wire(
    tmp_path: Path, deflates: bool, most: int
) -> None:
    backend = SocketBackend(deflates=deflates)
    by_http = 0
    async with setup(MASTERS["serve"], tmp_path, backend) as shim:
        for frame, whole in session():
            shim.came_as(frame)
            request = body(*whole, tools=frame["tools"])
            by_http += len(request)
            await shim.client.post("/v1/responses", request, b"originator: codex_exec")
            assert kinds(await shim.client.response()) == GOOD
    assert (len(backend.upgrades), len(backend.paid)) == (1, REQUESTS)
    heads = sum(len(upgrade.head) for upgrade in backend.upgrades)
    assert backend.frame_bytes + heads <= most
    # what the same session is by HTTP
    assert by_http > 500_000
