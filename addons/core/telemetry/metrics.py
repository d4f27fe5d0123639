"""Counters and histograms of ended turns, and the text in which Prometheus reads them.

Sources: the Prometheus text format 0.0.4 and OpenMetrics 1.0. Never does: hold text of a turn, a thread or a name that a
client chose. Invariant: at most `MAX_MODELS` pairs of provider and model have series of their own, further ones share
one; outcomes are those of `addons.core.telemetry.record`, which are listed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from addons.core.telemetry.record import TurnRecord

MAX_MODELS = 100
OTHER, NONE = "other", "none"
"""Labels of models beyond `MAX_MODELS`, and of turns that no route took."""
SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0)
"""Upper bounds of the buckets of both histograms."""
COMPLETED = "completed"
TEXT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE = b"application/openmetrics-text; version=1.0.0; charset=utf-8"
_OPENMETRICS, _TEXT = "application/openmetrics-text", "text/plain"
_TOKENS: Mapping[str, tuple[str, str]] = {
    "input": ("codex_shim_input_tokens", "Input tokens, cached ones included."),
    "cached": ("codex_shim_cached_input_tokens", "Input tokens read from the provider's cache."),
    "cache_written": ("codex_shim_cache_written_tokens", "Input tokens written to its cache."),
    "output": ("codex_shim_output_tokens", "Output tokens, reasoning included."),
    "reasoning": ("codex_shim_reasoning_tokens", "Output tokens spent on reasoning."),
}
"""Key of `Usage.plain` → name and help of its counter."""


class Sample(NamedTuple):
    """One value. `suffix` follows the name of its family."""

    value: float
    labels: Mapping[str, str] = {}
    suffix: str = ""


class Family(NamedTuple):
    """The samples of one metric. The name of a counter has no `_total`."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    samples: Sequence[Sample]


def gauge(name: str, text: str, *samples: Sample) -> Family:
    """Return a metric whose value may fall."""
    return Family(name, "gauge", text, samples)


@dataclass(slots=True)
class _Histogram:
    counts: list[int] = field(default_factory=lambda: [0] * (len(SECONDS) + 1))
    sum: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.sum += seconds

    def samples(self, labels: Mapping[str, str]) -> Iterator[Sample]:
        total = 0
        for bound, count in zip((*map(repr, SECONDS), "+Inf"), self.counts, strict=True):
            total += count
            yield Sample(total, {**labels, "le": bound}, "_bucket")
        yield Sample(total, labels, "_count")
        yield Sample(self.sum, labels, "_sum")


@dataclass(slots=True)
class _Model:
    """The sums of one provider and model."""

    outcomes: dict[str, int] = field(default_factory=dict)
    attempts: int = 0
    tokens: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_TOKENS, 0))
    dollars: float | None = None
    """None until the cost of a turn is known."""
    first_token: _Histogram = field(default_factory=_Histogram)
    duration: _Histogram = field(default_factory=_Histogram)


class TurnMetrics:
    """The sums of the turns that ended since it was made."""

    def __init__(self) -> None:
        self._models: dict[tuple[str, str], _Model] = {}

    def note(self, record: TurnRecord, dollars: float | None) -> None:
        """Add a turn that has ended. `dollars` is None when its cost is not known."""
        model = self._model(record)
        outcome = outcome_of(record)
        model.outcomes[outcome] = model.outcomes.get(outcome, 0) + 1
        model.attempts += len(record.attempts)
        model.duration.add(record.seconds)
        if record.ttft is not None:
            model.first_token.add(record.ttft)
        if record.usage:
            for name, count in record.usage.plain().items():
                model.tokens[name] += max(0, count)
        if dollars is not None:
            model.dollars = (model.dollars or 0.0) + dollars

    def _model(self, record: TurnRecord) -> _Model:
        key = (record.route or NONE, record.row or NONE)
        if key not in self._models and len(self._models) >= MAX_MODELS:
            key = (OTHER, OTHER)
        return self._models.setdefault(key, _Model())

    def families(self) -> list[Family]:
        """Return the metrics of the turns."""
        models = [({"route": key[0], "model": key[1]}, one) for key, one in self._models.items()]
        turns = [
            Sample(count, {**labels, "outcome": outcome}, "_total")
            for labels, one in models
            for outcome, count in one.outcomes.items()
        ]
        attempts = [Sample(one.attempts, labels, "_total") for labels, one in models]
        dollars = [
            Sample(one.dollars, labels, "_total")
            for labels, one in models
            if one.dollars is not None
        ]
        first = [sample for labels, one in models for sample in one.first_token.samples(labels)]
        duration = [sample for labels, one in models for sample in one.duration.samples(labels)]
        return [
            Family("codex_shim_turns", "counter", "Turns that have ended.", turns),
            Family("codex_shim_attempts", "counter", "Requests to upstreams.", attempts),
            *(
                Family(name, "counter", text, [Sample(one.tokens[key], labels, "_total") for labels, one in models])
                for key, (name, text) in _TOKENS.items()
            ),
            Family("codex_shim_cost_dollars", "counter", "Cost by list prices, where known.", dollars),
            Family("codex_shim_time_to_first_token_seconds", "histogram", "Time to the first delta.", first),
            Family("codex_shim_turn_duration_seconds", "histogram", "Duration of a turn.", duration),
        ]  # fmt: skip


def outcome_of(record: TurnRecord) -> str:
    """Return how a turn ended: `completed`, or the listed code of what ended it."""
    if record.ok:
        return COMPLETED
    terminal = record.terminal.removeprefix("response.")
    return record.ended or record.error or terminal or "failed"


# Text -----------------------------------------------------------------------------------------------------


def wants_openmetrics(accept: str) -> bool:
    """Return whether an Accept header prefers OpenMetrics over the text format (RFC 9110, 12.5.1)."""
    weights: dict[str, float] = {}
    for one in accept.lower().split(","):
        name, *parameters = [part.strip() for part in one.split(";")]
        weights[name] = _weight(parameters)
    return weights.get(_OPENMETRICS, 0.0) > 0 and weights[_OPENMETRICS] >= weights.get(_TEXT, 0.0)


def _weight(parameters: Iterable[str]) -> float:
    text = next((one[2:] for one in parameters if one.startswith("q=")), "1")
    try:
        return float(text)
    except ValueError:
        return 0.0


def exposition(families: Iterable[Family], *, openmetrics: bool) -> bytes:
    """Return the metrics as text."""
    lines: list[str] = []
    for one in families:
        name = one.name
        if one.kind == "counter" and not openmetrics:
            name += "_total"
        lines += (f"# HELP {name} {one.help}", f"# TYPE {name} {one.kind}")
        lines += (_line(one.name + sample.suffix, sample) for sample in one.samples)
    if openmetrics:
        lines.append("# EOF")
    return "".join(f"{line}\n" for line in lines).encode()


def _line(name: str, sample: Sample) -> str:
    labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in sample.labels.items())
    shown = f"{name}{{{labels}}}" if labels else name
    return f"{shown} {sample.value!r}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
