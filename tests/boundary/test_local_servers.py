"""Model servers on this machine: hidden while they are down, waited for while they load, never woken by being watched."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from addons.adapters.local import watch
from addons.core.providers import load_wait
from addons.proxy import refresh
from tests.boundary.surfaces import Home, Running, running
from tests.conformance import check, parse
from tests.fakes.http_messages import Cut, Gate, Send
from tests.fakes.http_server import HttpServer
from tests.fakes.local_servers import SERVERS, LlamaCpp, LMStudio, LocalServer, Ollama, Served, Vllm
from tests.support.client import Response
from tests.support.ports import free_port
from tests.support.waiting import until
from tests.support.websocket import HEARTBEAT, create, websocket

CODEX = b"originator: codex_exec"
TURN = orjson.dumps({"model": "mine", "stream": True, "input": "hi"})
TERMINALS = {"response.completed", "response.failed", "response.incomplete"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UP_SECONDS", "DOWN_SECONDS", "MAX_DOWN_SECONDS"):
        monkeypatch.setattr(watch, name, 0.02)
    monkeypatch.setattr(refresh, "LOCAL_SECONDS", 0.02)
    for name in ("FIRST_PAUSE", "MAX_PAUSE"):
        monkeypatch.setattr(load_wait, name, 0.02)


def write(home: Home, provider: str, port: int, limits: object = None, **fields: object) -> None:
    """Write models.json with one row, `mine`."""
    row = {"model": "qwen3:8b", "slug": "mine", "provider": provider, **fields}
    row.setdefault("base_url", f"http://127.0.0.1:{port}/v1")
    home.settings.write_bytes(orjson.dumps({"models": [row], "limits": limits or {}}))


def terminals(response: Response) -> list[str]:
    """Return the terminal events of an answer that keeps the rules of the stream."""
    check(response.body)
    types = [str(event["type"]) for event in parse(response.body)]
    return [each for each in types if each in TERMINALS]


async def reason(proxy: Running) -> str:
    reasons = (await proxy.health())["reasons"]
    return str(reasons.get("mine", "")) if isinstance(reasons, Mapping) else ""


async def seen(proxy: Running, *, up: bool) -> None:
    """Wait until the shim has the list of the server, or has seen that it does not answer."""
    local = proxy.shim.sources.row_routes.local
    await until(
        lambda: any(
            state.is_listed and state.down_since is None if up else state.down_since
            for state in local.states.values()
        )
    )


async def entry(proxy: Running) -> Mapping[str, object]:
    models = orjson.loads((await proxy.get("/v1/models?client_version=0.171.0")).body)["models"]
    found: Mapping[str, object] = next(row for row in models if row["slug"] == "mine")
    return found


@pytest.mark.parametrize("provider", SERVERS)
async def test_server_that_is_down_hides_its_models_until_it_answers(
    home: Home, provider: str
) -> None:
    port = free_port()
    write(home, provider, port)
    async with running(home) as proxy:
        await seen(proxy, up=False)
        slugs, why, health = await proxy.slugs(), await reason(proxy), await proxy.health()
        assert "mine" not in slugs
        assert f" at 127.0.0.1:{port} does not answer since " in why
        assert ". Start it: " in why
        assert orjson.dumps(health["unavailable"]).count(b"does not answer since") == 1
        server = SERVERS[provider](port=port)
        with server:
            await seen(proxy, up=True)
            assert "mine" in await proxy.slugs()
            assert (await proxy.health())["unavailable"] == []
            await until(lambda: len(server.asked) > 8)
            assert (server.turns, [model.loaded for model in server.models]) == (0, [True])
        await seen(proxy, up=False)
        assert "mine" not in await proxy.slugs()
    assert b'down_since":null' in watch.local_servers_file(home.env).read_bytes()


async def test_catalog_has_the_context_and_abilities_that_the_server_gives(home: Home) -> None:
    models = [Served("qwen3:8b", limit=40960, context=16384, loaded=False)]
    with Ollama(models) as server:
        write(home, "ollama", server.port)
        async with running(home) as proxy:
            await seen(proxy, up=True)
            before = await entry(proxy)
            await until(lambda: len(server.asked) > 8)
            assert not models[0].loaded
            response = await proxy.post(TURN, CODEX)
            facts = proxy.shim.sources.row_routes.local
            await until(
                lambda: any(state.models["qwen3:8b"].is_loaded for state in facts.states.values())
            )
            after = await entry(proxy)
    assert terminals(response) == ["response.completed"]
    assert (before["context_window"], after["context_window"]) == (40960, 16384)
    assert after["input_modalities"] == ["text"]
    assert server.asked.count("POST /api/show") == 1


async def test_row_that_states_more_context_than_its_server_gives_gets_what_it_gives(
    home: Home,
) -> None:
    with Ollama([Served("qwen3:8b", context=4096)]) as server:
        write(home, "ollama", server.port, max_context_limit=65536)
        async with running(home) as proxy:
            await seen(proxy, up=True)
            assert (await entry(proxy))["context_window"] == 4096


async def test_model_that_the_server_lost_is_hidden_until_it_is_back(home: Home) -> None:
    with Ollama() as server:
        write(home, "ollama", server.port)
        async with running(home) as proxy:
            await seen(proxy, up=True)
            kept, server.models = server.models, [Served("other:1b")]
            routes = proxy.shim.sources
            await until(lambda: not routes.table().routes["mine"].live)
            why = await reason(proxy)
            server.models = kept
            await until(lambda: routes.table().routes["mine"].live)
            assert "mine" in await proxy.slugs()
    assert "does not have qwen3:8b. Get it: ollama pull qwen3:8b" in why


@pytest.mark.parametrize("who", [CODEX, b"user-agent: openai-python"])
@pytest.mark.parametrize("provider", ["llamacpp", "ollama"])
async def test_turn_waits_for_a_server_that_loads_its_model(
    home: Home, provider: str, who: bytes
) -> None:
    with SERVERS[provider]() as server:
        server.loading = 5
        write(home, provider, server.port)
        async with running(home) as proxy:
            response = await proxy.post(TURN, who)
            assert proxy.shim.sources.table().routes["mine"].circuit.opening is None
    assert terminals(response) == ["response.completed"]
    assert b"ready" in response.body
    assert (server.turns, server.loading) == (1, 0)


async def test_turn_waits_for_a_model_that_loads_before_the_first_byte(home: Home) -> None:
    gate = Gate()
    with LMStudio([Served("qwen3:8b", loaded=False)]) as server:
        server.gate = gate
        write(home, "lmstudio", server.port)
        async with running(home) as proxy:
            await seen(proxy, up=True)
            turn = asyncio.ensure_future(proxy.post(TURN, CODEX))
            await asyncio.to_thread(gate.wait_reached)
            asked = len(server.asked)
            await until(lambda: len(server.asked) > asked + 3)
            assert "mine" in await proxy.slugs()
            gate.open()
            response = await turn
    assert terminals(response) == ["response.completed"]
    assert server.turns == 1


async def test_turn_waits_for_a_server_that_starts(home: Home) -> None:
    port = free_port()
    write(home, "vllm", port)
    async with running(home) as proxy:
        await seen(proxy, up=False)
        turn = asyncio.ensure_future(proxy.post(TURN, CODEX))
        await until(lambda: proxy.shim.parts.engine.running)
        with Vllm(port=port) as server:
            response = await turn
    assert terminals(response) == ["response.completed"]
    assert server.turns == 1


async def test_socket_of_a_client_is_kept_alive_while_a_model_loads(home: Home) -> None:
    with LlamaCpp() as server:
        server.loading = 1_000_000
        write(home, "llamacpp", server.port, {"heartbeat_seconds": 0.05})
        async with running(home) as proxy, websocket(proxy.port, CODEX) as client:
            await client.send(create(model="mine", input="hi"))
            first = await client.event()
            assert first["type"] == HEARTBEAT
            server.loading = 0
            events = await client.turn()
    assert [event["type"] for event in events if event["type"] in TERMINALS] == ["response.completed"]  # fmt: skip
    assert server.turns == 1


async def test_client_that_leaves_ends_the_wait(home: Home) -> None:
    with LlamaCpp() as server:
        server.loading = 1_000_000
        write(home, "llamacpp", server.port)
        async with running(home) as proxy:
            turn = asyncio.ensure_future(proxy.post(TURN, CODEX))
            await until(lambda: server.loading < 1_000_000 - 3)
            turn.cancel()
            await until(lambda: not proxy.shim.parts.engine.running)
            left = server.loading
            # the watch of the server goes on, and no turn asks
            asked = len(server.asked)
            await until(lambda: len(server.asked) > asked + 3)
            assert server.loading == left
    assert server.turns == 0


async def test_wait_is_bounded_and_ends_with_the_command_to_type(home: Home) -> None:
    limits = {"load_seconds": 0.2}
    with LlamaCpp() as server:
        server.loading = 1_000_000
        write(home, "llamacpp", server.port, limits)
        async with running(home) as proxy:
            loading = await proxy.post(TURN, CODEX)
    port = free_port()
    write(home, "vllm", port, limits)
    async with running(home) as proxy:
        await seen(proxy, up=False)
        down = await proxy.post(TURN, CODEX)
        sdk = await proxy.post(TURN, b"user-agent: openai-python")
    assert terminals(loading) == terminals(down) == ["response.failed"]
    assert b"was still loading its model after 0.2 s" in loading.body
    assert server.turns == 0
    assert f"vLLM at 127.0.0.1:{port} does not answer: ".encode() in down.body
    assert b"Start it: vllm serve MODEL" in down.body
    assert loading.body.count(b'"invalid_prompt"') == down.body.count(b'"invalid_prompt"') == 1
    assert (sdk.status, b"Start it: vllm serve MODEL" in sdk.body) == (502, True)


async def test_fallback_answers_for_a_server_that_is_down_and_not_for_one_that_loads(
    home: Home,
) -> None:
    def rows(port: int, spare: int) -> bytes:
        first = {"model": "qwen3:8b", "slug": "mine", "provider": "llamacpp", "fallback": ["spare"]}
        second = {"model": "m", "slug": "spare", "provider": "vllm"}
        return orjson.dumps({"models": [
            {**first, "base_url": f"http://127.0.0.1:{port}/v1"},
            {**second, "base_url": f"http://127.0.0.1:{spare}/v1"},
        ]})  # fmt: skip

    port = free_port()
    with Vllm([Served("m")]) as spare:
        home.settings.write_bytes(rows(port, spare.port))
        async with running(home) as proxy:
            down = await proxy.post(TURN, CODEX)
        with LlamaCpp(port=port) as server:
            server.loading = 5
            async with running(home) as proxy:
                loads = await proxy.post(TURN, CODEX)
    assert down.header(b"x-codex-shim-fallback") == b"mine -> spare"
    assert loads.header(b"x-codex-shim-fallback") is None
    assert terminals(loads) == ["response.completed"]
    assert down.body.count(b"event: response.completed") == 1
    assert (spare.turns, server.turns) == (1, 1)


@pytest.mark.parametrize("cut", [False, True])
async def test_model_that_is_unloaded_during_its_answer_fails_the_turn_once(
    home: Home, cut: bool
) -> None:
    """Source: lmstudio-bug-tracker#1492, "Model is unloaded."."""
    error = b'event: error\ndata: {"error":{"message":"Model unloaded by user or crashed"}}\n\n'
    with LMStudio() as server:
        server.middle = (Cut(),) if cut else (Send(error),)
        write(home, "lmstudio", server.port)
        async with running(home) as proxy:
            response = await proxy.post(TURN, CODEX)
            assert terminals(await proxy.post(TURN, CODEX)) == ["response.completed"]
    assert terminals(response) == ["response.failed"]
    assert server.turns == 2


async def test_only_model_servers_on_this_machine_are_watched(home: Home) -> None:
    """A row without a known server, one on another machine, and one that is switched off."""
    rows: list[dict[str, object]] = [
        {"model": "a", "provider": "openai-compatible"},
        {"model": "b", "provider": "ollama", "enabled": False},
        {"model": "c", "provider": "vllm", "base_url": "https://gpu.example/v1"},
    ]
    with LlamaCpp() as server:
        base_url = f"http://127.0.0.1:{server.port}/v1"
        home.settings.write_bytes(orjson.dumps([{"base_url": base_url} | row for row in rows]))
        async with running(home) as proxy:
            local = proxy.shim.sources.row_routes.local
            for _ in range(3):
                await proxy.shim.sources.poll_local_servers()
            assert (local.states, server.connections) == ({}, 0)
    assert not watch.local_servers_file(home.env).exists()


async def test_server_that_refuses_its_list_stays_offered(home: Home) -> None:
    """A server with a key, a busy one, another program: the turn shows what is wrong."""
    from tests.fakes.http_messages import Answer  # noqa: PLC0415

    with HttpServer(lambda _: Answer((Send(b"{}"),), status=401, chunked=False)) as server:
        write(home, "vllm", server.port)
        async with running(home) as proxy:
            await until(lambda: len(server.requests) > 2)
            assert "mine" in await proxy.slugs()


def test_each_fake_refuses_what_it_does_not_know() -> None:
    """The fakes are strict: an unknown path is refused, and a server on a fixed port can come back."""
    from http.client import HTTPConnection  # noqa: PLC0415

    for make in SERVERS.values():
        with make() as server:
            assert isinstance(server, LocalServer)
            connection = HTTPConnection("127.0.0.1", server.port, timeout=5)
            connection.request("GET", "/no/such/path")
            response = connection.getresponse()
            text = response.read()
            connection.close()
        assert response.status == 404 or b"Unexpected endpoint" in text


def has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
@pytest.mark.parametrize("host", ["localhost", "[::1]"])
async def test_server_that_listens_on_ipv6_alone_is_found_and_used(
    home: Home, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Node.js takes `localhost` for ::1. Its name has both addresses, in either order."""
    original = socket.getaddrinfo

    def both(name: Any, port: Any, *args: Any, **given: Any) -> Any:
        if name != "localhost":
            return original(name, port, *args, **given)
        return [
            found
            for one in ("127.0.0.1", "::1")
            for found in original(one, port, type=socket.SOCK_STREAM)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    server = Ollama([Served("qwen3:8b", context=16384)])
    server.host = "::1"
    with server:
        write(home, "ollama", server.port, base_url=f"http://{host}:{server.port}/v1")
        async with running(home) as proxy:
            await seen(proxy, up=True)
            assert (await entry(proxy))["context_window"] == 16384
            assert terminals(await proxy.post(TURN, CODEX)) == ["response.completed"]
    assert server.turns == 1
