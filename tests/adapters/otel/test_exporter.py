"""What a collector gets of ended turns, and what happens when there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from addons.adapters.otel.exporter import MAX_WAITING, TurnExporter
from addons.core.secrets import Origin, Secret, SecretHeader
from addons.core.settings.traces import Export
from addons.core.telemetry.record import AttemptRecord, TurnRecord
from addons.core.version import VERSION
from tests.adapters.records import turn
from tests.fakes.otlp_collector import METRICS, TRACES, Collector, plain

BEGAN = 1_800_000_000.0
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CLIENT, ERROR = 3, 2
"""A kind and a status of spans, as the protocol numbers them."""


def ended(**fields: object) -> TurnRecord:
    return turn(**{"attempts": [attempt(0.0)], **fields})


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running
    assert running.objections == []


def exporter(url: str) -> TurnExporter:
    return TurnExporter(Export(url + TRACES, url + METRICS), {})


def attempt(at: float, url: str = "http://127.0.0.1:1/v1", **fields: object) -> AttemptRecord:
    made = AttemptRecord(url, "", "POST", BEGAN + at, status=200, seconds=1.0, outcome="200")
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def test_turn_and_its_attempts_are_one_trace(collector: Collector) -> None:
    exports = exporter(collector.url)
    attempts = [attempt(0.0, outcome="503", status=503), attempt(1.0, reason="after 503")]
    exports.turn_ended(ended(attempts=attempts))
    exports.flow_ended("f1", {})
    exports.close()
    by_name = {(span.name, span.start_time_unix_nano): span for span in collector.spans}
    began = int(BEGAN) * 10**9
    top = by_name["chat gpt-5", began]
    first, second = by_name["POST", began], by_name["POST", began + 10**9]
    assert len(collector.spans) == 3
    assert {span.trace_id for span in collector.spans} == {top.trace_id}
    assert first.parent_span_id == second.parent_span_id == top.span_id
    assert top.parent_span_id == b""
    assert {span.kind for span in collector.spans} == {CLIENT}
    assert top.end_time_unix_nano - top.start_time_unix_nano == 2 * 10**9
    assert [span.status.code for span in (top, first, second)] == [0, ERROR, 0]
    assert plain(top.attributes)["gen_ai.usage.input_tokens"] == 1000
    assert plain(first.attributes)["error.type"] == "503"
    assert "gen_ai.usage.input_tokens" not in plain(second.attributes)
    for resource in collector.resources:
        assert resource["service.name"] == "codex-shim"
        assert resource["service.version"] == VERSION


def test_client_may_name_the_parent(collector: Collector) -> None:
    exports = exporter(collector.url)
    for id_, flags in (("f1", "01"), ("f2", "00"), ("f3", "zz")):
        exports.turn_ended(ended(id=id_, thread=id_))
        exports.flow_ended(id_, {"traceparent": f"00-{TRACE}-{PARENT}-{flags}"})
    exports.close()
    tops = {str(plain(s.attributes)["gen_ai.conversation.id"]): s for s in collector.spans if s.name != "POST"}  # fmt: skip
    assert tops["f1"].trace_id.hex() == TRACE
    assert tops["f1"].parent_span_id.hex() == PARENT
    assert "f2" not in tops  # its client does not sample this trace
    assert tops["f3"].parent_span_id == b""


def test_metrics_are_histograms_of_the_conventions(collector: Collector) -> None:
    exports = exporter(collector.url)
    exports.turn_ended(ended())
    exports.turn_ended(ended(id="f2", error="server_error", status=500, usage=None, ttft=None))
    exports.close()
    found = {metric.name: metric for metric in collector.metrics}
    assert set(found) == {
        "gen_ai.client.token.usage",
        "gen_ai.client.operation.duration",
        "gen_ai.client.operation.time_to_first_chunk",
    }
    tokens = found["gen_ai.client.token.usage"]
    sums = {plain(p.attributes)["gen_ai.token.type"]: p.sum for p in tokens.histogram.data_points}
    assert sums == {"input": 1000, "output": 50}
    assert tokens.unit == "{token}"
    durations = found["gen_ai.client.operation.duration"].histogram.data_points
    assert [plain(p.attributes).get("error.type") for p in durations] == [None, "server_error"]
    assert durations[0].explicit_bounds[-1] == 81.92
    assert found["gen_ai.client.operation.duration"].unit == "s"


def test_one_signal_can_be_left_out(collector: Collector) -> None:
    for export in (Export(collector.url + TRACES, ""), Export("", collector.url + METRICS)):
        exports = TurnExporter(export, {})
        exports.turn_ended(ended())
        exports.close()
    assert len(collector.requests) == 2
    assert len(collector.spans) == 2
    assert len(collector.metrics) == 3


def test_turns_whose_flow_never_ends_are_exported_too(collector: Collector) -> None:
    exports = exporter(collector.url)
    for number in range(MAX_WAITING + 2):
        exports.turn_ended(ended(id=str(number), attempts=[]))
    exports.close()
    assert len(collector.spans) == MAX_WAITING + 2


def test_collector_that_is_not_there_is_reported_once() -> None:
    """In a process of its own, whose log shows everything that reaches the handlers."""
    code = (
        "import logging, time\n"
        "logging.basicConfig()\n"
        "from tests.adapters.otel.test_exporter import ended, exporter\n"
        "exports = exporter('http://127.0.0.1:1')\n"
        "for number in range(3000):\n"  # more than the queue takes
        "    exports.turn_ended(ended(id=str(number)))\n"
        "    exports.flow_ended(str(number), {})\n"
        "began = time.monotonic()\n"
        "exports.close(0.5)\n"
        "exports.close(0.1)\n"
        "print(time.monotonic() - began < 5)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "True\n"
    assert done.stderr.count("\n") == 1
    assert "The collector at http://127.0.0.1:1 does not answer" in done.stderr


def test_collector_that_refuses_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    with Collector(status=400) as refusing:
        exports = exporter(refusing.url)
        exports.turn_ended(ended())
        exports.close()
    assert len(refusing.requests) == 2
    [warning] = [one.getMessage() for one in caplog.records if one.name.startswith("addons")]
    assert f"The collector at {refusing.url} does not answer, or refuses" in warning


def test_variables_of_opentelemetry_apply(collector: Collector) -> None:
    """In a process of its own: the library reads its environment."""
    code = (
        "import os\n"
        "from addons.adapters.otel.start import start_export\n"
        "from addons.core.settings.traces import Traces\n"
        "from tests.adapters.otel.test_exporter import ended\n"
        "exports = start_export(Traces(), os.environ, None, print)\n"
        "exports.turn_ended(ended())\n"
        "exports.close()\n"
    )
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=one",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_SERVICE_NAME": "mine",
        "OTEL_RESOURCE_ATTRIBUTES": "team=blue",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {headers["x-tenant"] for headers in collector.headers} == {"one"}
    assert {headers["content-encoding"] for headers in collector.headers} == {"gzip"}
    for resource in collector.resources:
        assert (resource["service.name"], resource["team"]) == ("mine", "blue")


def test_no_proxy_reads_the_headers_of_a_collector_without_tls(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = SecretHeader(b"x-api-key", Secret("planted-value"), Origin.of(collector.url))
    with Collector() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        exports = TurnExporter(Export(collector.url + TRACES, ""), {}, [secret])
        exports.turn_ended(ended())
        exports.flow_ended("f1", {})
        exports.close()
        assert proxy.bodies == []
    assert [headers["x-api-key"] for headers in collector.headers] == ["planted-value"]
