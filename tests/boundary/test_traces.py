"""The export of turns at the boundary: what the collector gets, and what a turn notices of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.boundary.surfaces import DEMO, TURN, Home, running
from tests.fakes.otlp_collector import Collector, plain

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
