"""Metrics, read by the official client library as Prometheus would."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric

from addons.core.telemetry.metrics import (
    MAX_MODELS,
    Sample,
    TurnMetrics,
    exposition,
    gauge,
    outcome_of,
    wants_openmetrics,
)
from tests.adapters.records import turn
from tests.strict.prometheus import parse_openmetrics, parse_text

LABELS = {"route": "openai", "model": "row"}


def parsed(metrics: TurnMetrics, *, strict: bool) -> dict[str, Metric]:
    text = exposition(metrics.families(), openmetrics=strict)
    parse = parse_openmetrics if strict else parse_text
    return {family.name: family for family in parse(text)}


def value(families: dict[str, Metric], name: str, **labels: str) -> float:
    [found] = [
        sample.value
        for family in families.values()
        for sample in family.samples
        if sample.name == name and sample.labels == {**LABELS, **labels}
    ]
    return found


def test_turns_are_counted_in_both_formats() -> None:
    metrics = TurnMetrics()
    metrics.note(turn(seconds=2.5), 0.25)
    metrics.note(turn(seconds=3.0, ttft=None, usage=None), None)
    metrics.note(turn(error="usage_limit_reached", status=429, terminal="response.failed"), 0.5)
    for strict in (False, True):
        found = parsed(metrics, strict=strict)
        assert value(found, "codex_shim_turns_total", outcome="completed") == 2
        assert value(found, "codex_shim_turns_total", outcome="usage_limit_reached") == 1
        assert value(found, "codex_shim_attempts_total") == 3
        assert value(found, "codex_shim_input_tokens_total") == 2000
        assert value(found, "codex_shim_cached_input_tokens_total") == 1800
        assert value(found, "codex_shim_cache_written_tokens_total") == 40
        assert value(found, "codex_shim_output_tokens_total") == 100
        assert value(found, "codex_shim_reasoning_tokens_total") == 20
        assert value(found, "codex_shim_cost_dollars_total") == 0.75
        assert found["codex_shim_turns"].type == "counter"


def test_histogram_buckets_include_their_bound() -> None:
    metrics = TurnMetrics()
    for seconds in (0.1, 2.5, 2.6, 1e6):
        metrics.note(turn(seconds=seconds, ttft=None), None)
    for strict in (False, True):
        found = parsed(metrics, strict=strict)
        name = "codex_shim_turn_duration_seconds"
        assert found[name].type == "histogram"
        bounds = {"0.1": 1, "1.0": 1, "2.5": 2, "5.0": 3, "640.0": 3, "+Inf": 4}
        for bound, count in bounds.items():
            assert value(found, f"{name}_bucket", le=bound) == count
        assert value(found, f"{name}_count") == 4
        assert value(found, f"{name}_sum") == pytest.approx(1_000_005.2)
        assert value(found, "codex_shim_time_to_first_token_seconds_count") == 0


def test_unknown_cost_has_no_series() -> None:
    metrics = TurnMetrics()
    metrics.note(turn(), None)
    found = parsed(metrics, strict=True)
    assert found["codex_shim_cost_dollars"].samples == []


def test_models_beyond_the_bound_share_one_series() -> None:
    metrics = TurnMetrics()
    for number in range(MAX_MODELS + 50):
        metrics.note(turn(row=f"m{number}"), None)
    metrics.note(turn(row="m0"), None)
    found = {s.labels["model"]: s.value for s in parsed(metrics, strict=True)["codex_shim_turns"].samples}  # fmt: skip
    assert len(found) == MAX_MODELS + 1
    assert found["other"] == 50
    assert found["m0"] == 2


def test_name_that_the_client_chose_is_no_label() -> None:
    metrics = TurnMetrics()
    refused = turn(
        slug="a name", row="", route="", status=404, terminal="", error="model_not_found"
    )
    metrics.note(refused, None)
    [sample] = parsed(metrics, strict=True)["codex_shim_turns"].samples
    assert sample.labels == {"route": "none", "model": "none", "outcome": "model_not_found"}
    text = exposition(metrics.families(), openmetrics=False)
    assert b"a name" not in text
    assert b"t1" not in text


def test_outcome_is_the_first_code_that_is_known() -> None:
    assert outcome_of(turn(ended="client_left", error="server_error")) == "client_left"
    assert outcome_of(turn(terminal="response.incomplete")) == "incomplete"
    assert outcome_of(turn(status=500, terminal="")) == "failed"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_label_survives(text: str) -> None:
    [family] = parse_openmetrics(
        exposition([gauge("g", "A gauge.", Sample(1.5, {"a": text}))], openmetrics=True)
    )
    assert family.samples[0].labels == {"a": text}
    assert family.samples[0].value == 1.5


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", False),
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", True),
        ("text/plain, application/openmetrics-text;q=0.2", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=x", False),
    ],
)
def test_accept_header_decides_the_format(accept: str, wanted: bool) -> None:
    assert wants_openmetrics(accept) is wanted
