"""The export of turns at the boundary: what the collector gets, and what a turn notices of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.boundary.surfaces import DEMO, DONE, TURN, Home, running
from tests.fakes.otlp_collector import Collector, plain
from tests.strict.genai_messages import objections
from tests.support.upstream import Exchange
from tests.support.websocket import websocket

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"traceparent: 00-{TRACE}-{PARENT}-01".encode()
PROMPT = b'{"model":"gpt-5.5","stream":true,"input":"a text of the user"}'


def write(home: Home, **traces: object) -> None:
    home.settings.write_text(json.dumps({"traces": traces}))
    home.settings.chmod(0o600)


def turns(collector: Collector) -> list[Mapping[str, object]]:
    spans: list[Any] = [span for span in collector.spans if span.name.startswith("chat")]
    return [plain(span.attributes) for span in spans]


async def test_turn_reaches_the_collector_when_the_shim_ends(home: Home) -> None:
    home.log_in()
    with Collector() as collector:
        write(home, endpoint=collector.url)
        async with running(home) as proxy:
            assert (await proxy.post(PROMPT, TRACEPARENT, b"thread-id: t7")).status == 200
            assert (await proxy.post(b'{"model":"no such","input":"hi"}')).status == 404
            assert (await proxy.get("/health")).status == 200
        [found] = turns(collector)
        assert found["gen_ai.provider.name"] == "openai"
        assert found["gen_ai.request.model"] == "gpt-5.5"
        assert found["gen_ai.conversation.id"] == "t7"
        assert found["server.port"] == home.backend.port
        assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
        assert [span.name for span in collector.spans] == ["POST", "chat gpt-5.5"]
        assert len(collector.metrics) > 0
        assert collector.objections == []
        sent = b"".join(collector.bodies)
        for private in (b"a text of the user", str(home.folder).encode()):
            assert private not in sent


async def test_text_is_exported_if_it_is_asked_for(home: Home) -> None:
    """By HTTP and WebSocket, of a native and of a local route, while turns are recorded, too."""
    home.log_in()
    answer = b'data: {"type":"response.output_item.done","item":{"type":"message","role":"assistant","content":[{"type":"output_text","text":"the answer"}]}}\n\n'

    async def answering(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(answer + DONE)
        await exchange.end()

    home.backend.scripts[:] = [answering]
    with Collector() as collector:
        write(home, endpoint=collector.url, text=True, headers={"x-key": {"env": "COLLECTOR"}})
        async with running(home, COLLECTOR="planted-key-9") as proxy:
            proxy.shim.parts.record(home.folder / "turns.jsonl")
            assert b"the answer" in (await proxy.post(PROMPT)).body
            async with websocket(proxy.port, b"originator: codex_exec") as socket:
                metadata = {
                    "ws_request_header_traceparent": TRACEPARENT.decode().split()[1],
                    "ws_request_header_tracestate": "vendor=a-state",
                }
                prompt = [{"type": "message", "role": "user", "content": "a second text"}]
                await socket.ask(model="shim-demo", input=prompt, client_metadata=metadata)
        first, second = turns(collector)
        assert collector.objections == []
        assert {headers["x-key"] for headers in collector.headers} == {"planted-key-9"}
    for found, sent in ((first, "a text of the user"), (second, "a second text")):
        assert sent in str(found["gen_ai.input.messages"])
        for name in ("gen_ai.input.messages", "gen_ai.output.messages"):
            assert list(objections(name, str(found[name]))) == []
    assert "the answer" in str(first["gen_ai.output.messages"])
    tops = {span.trace_id.hex(): span for span in collector.spans if span.name.startswith("chat")}
    assert tops[TRACE].parent_span_id.hex() == PARENT
    assert tops[TRACE].trace_state == "vendor=a-state"
    assert len(tops) == 2
    assert (home.folder / "turns.jsonl").read_bytes().count(b"\n") == 3


async def test_no_text_is_exported_while_the_privacy_gate_is_on(home: Home) -> None:
    with Collector() as collector:
        write(home, endpoint=collector.url, text=True)
        async with running(home, CODEX_SHIM_PRIVACY="1") as proxy:
            assert b"response.completed" in (await proxy.post(DEMO)).body
        [found] = turns(collector)
    assert [name for name in found if "messages" in name or "instructions" in name] == []


async def test_unreachable_collector_costs_turns_nothing(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    write(home, endpoint="http://127.0.0.1:1")
    async with running(home) as proxy:
        for _ in range(3):
            assert b"response.completed" in (await proxy.post(DEMO)).body
    assert sum("The collector at" in one.getMessage() for one in caplog.records) <= 1


async def test_wrong_setting_is_shown_and_turns_go_on(home: Home) -> None:
    write(home, endpoint="grpc://127.0.0.1:1")
    async with running(home, OTEL_EXPORTER_OTLP_ENDPOINT="nowhere") as proxy:
        assert (await proxy.post(DEMO)).status == 200
        problems = str((await proxy.health())["problems"])
    assert "traces.endpoint: it is not an http or https URL" in problems
    assert "OTEL_EXPORTER_OTLP_ENDPOINT: it is not an http or https URL" in problems


async def test_traceparent_is_not_in_the_way_without_a_collector(home: Home) -> None:
    home.log_in()
    async with running(home) as proxy:
        assert (await proxy.post(TURN, TRACEPARENT)).status == 200
        assert proxy.shim.parts.export is None
