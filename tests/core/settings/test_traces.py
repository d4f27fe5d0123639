"""`traces` of models.json, and OpenTelemetry's variables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from addons.core.settings.key_refs import EnvKey, FileKey, InlineKey
from addons.core.settings.root import Settings, parse_settings
from addons.core.settings.traces import Traces, export_for

URL = "http://127.0.0.1:4318"


def parse(text: str) -> Settings:
    return parse_settings(text.encode(), "models.json", {})


def test_endpoint_is_read() -> None:
    found = parse(f'{{"traces": {{"endpoint": "{URL}"}}}}')
    assert found.problems == ()
    assert found.traces == Traces(URL)


@pytest.mark.parametrize(
    ("traces", "problem"),
    [
        ("3", "traces: not an object"),
        ('{"endpoint": 3}', "traces.endpoint: 3 is not a URL"),
        ('{"endpoint": "grpc://h"}', "traces.endpoint: it is not an http or https URL"),
        ('{"endpoint": ""}', "traces.endpoint: it is not an http or https URL"),
        ('{"text": true, "headers": {"a": "b"}}', 'traces.headers: name the "endpoint" that gets them, or put them into the variable OTEL_EXPORTER_OTLP_HEADERS'),
        ('{"endpoint": "http://h", "headers": {"a": "b"}}', "traces.headers: they may be keys, and http://h is another machine without encryption: use https"),
        ('{"endpoint": "http://h", "headers": 3}', "traces.headers: not an object of names and values"),
        ('{"endpoint": "http://h", "headers": {"a b": "c"}}', "traces.headers.a b: its name is not a header name"),
        ('{"endpoint": "http://h", "headers": {"Host": "c"}}', "traces.headers.Host: the exporter sets this header itself"),
        ('{"endpoint": "http://h", "headers": {"a": 3}}', 'traces.headers.a: it is neither text, {"env": "VARIABLE"} nor {"file": "PATH"}'),
        ('{"endpoint": "http://h", "headers": {"a": {"env": "planted-key-9"}}}', 'traces.headers.a: "env" is not the name of an environment variable'),
        ('{"endpoint": "http://h", "headers": {"a": {"vault": "planted-key-9"}}}', "traces.headers.a: it is neither text"),
        ('{"endpoint": "http://h", "headers": {"a": {"fiel": "KEY"}}}', "Did you mean 'file'?"),
        ('{"endpoint": "http://h", "headers": {"a": "planted-key-9\\n"}, "text": 1}', "traces.text: 1 is neither true nor false"),
        ('{"endpoint": "http://h", "headers": {"a": "planted-key-9\\nb"}}', "traces.headers.a: its value is empty, or not plain text"),
        ('{"endpoint": "http://h", "endpiont": ""}', "there is no such setting. Did you mean 'endpoint'?"),
        ('{"endpoint": "http://h", "zzz": {}}', "no such setting: they are endpoint, text, headers"),
    ],
)  # fmt: skip
def test_wrong_value_is_reported_and_the_previous_one_stays(traces: str, problem: str) -> None:
    before = Settings(traces=Traces(URL))
    data = f'{{"traces": {traces}}}'.encode()
    found = parse_settings(data, "models.json", {}, before)
    [reported] = found.problems
    assert problem in reported
    assert reported.endswith("(line 1)")
    assert found.traces == Traces(URL)
    assert "planted-key-9" not in reported


def test_headers_are_references_or_secrets() -> None:
    found = parse(
        f'{{"traces": {{"endpoint": "{URL}", "text": true, "headers": {{"x-a": "Bearer planted-key-9", '
        '"x-b": {"env": "KEY"}, "x-c": {"file": "key"}}}}'
    )
    assert found.problems == ()
    traces = found.traces
    assert traces.text
    assert [name for name, _ in traces.headers] == ["x-a", "x-b", "x-c"]
    literal, *others = [ref for _, ref in traces.headers]
    assert isinstance(literal, InlineKey)
    assert others == [EnvKey(("KEY",)), FileKey("key")]
    assert traces.holds_key
    assert "planted-key-9" not in repr(found)
    assert not Traces(URL).holds_key


def test_without_an_endpoint_nothing_is_exported() -> None:
    assert parse("{}").traces == Traces()
    assert export_for(Traces(), {}) is None


@pytest.mark.parametrize(
    ("endpoint", "env", "spans", "metrics"),
    [
        (URL, {}, f"{URL}/v1/traces", f"{URL}/v1/metrics"),
        (f"{URL}/otlp/", {}, f"{URL}/otlp/v1/traces", f"{URL}/otlp/v1/metrics"),
        ("", {"OTEL_EXPORTER_OTLP_ENDPOINT": URL}, f"{URL}/v1/traces", f"{URL}/v1/metrics"),
        (URL, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h"}, f"{URL}/v1/traces", f"{URL}/v1/metrics"),
        ("", {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{URL}/x"}, f"{URL}/x", ""),
        (URL, {"OTEL_METRICS_EXPORTER": "none"}, f"{URL}/v1/traces", ""),
        (URL, {"OTEL_TRACES_EXPORTER": "none"}, "", f"{URL}/v1/metrics"),
    ],
)
def test_variables_say_what_is_exported_to_where(
    endpoint: str, env: dict[str, str], spans: str, metrics: str
) -> None:
    found = export_for(Traces(endpoint), env)
    assert found is not None
    assert (found.spans_url, found.metrics_url) == (spans, metrics)


def test_variable_switches_the_export_off() -> None:
    assert export_for(Traces(URL), {"OTEL_SDK_DISABLED": "true"}) is None


@pytest.mark.parametrize(
    ("env", "problem"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT: it is"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "x"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: it is"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' is not supported",
        ),
    ],
)
def test_wrong_variable_is_named(env: dict[str, str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        export_for(Traces(), env)


def test_documented_examples_are_valid() -> None:
    page = (Path(__file__).parents[3] / "docs/workbench.md").read_text()
    examples = re.findall(r"```json\n(.*\"traces\".*)\n```", page)
    plain, with_key, with_text = (parse(example) for example in examples)
    assert plain.problems + with_key.problems + with_text.problems == ()
    assert plain.traces == Traces(URL)
    assert with_key.traces.headers == (("authorization", EnvKey(("COLLECTOR_AUTH",))),)
    assert with_text.traces == Traces(URL, text=True)
