"""One answer of a comparison: what a model said and called, what it used, and how it ended.

Never does: estimate a count. Invariant: `Answer.parse` is total and reads what `Answer.plain` returns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from addons.core.json_values import JsonDict, as_int, as_object, as_str
from addons.core.routes import RouteTable, route_label
from addons.core.telemetry.prices import PLAN_ROUTES, PriceTable
from addons.core.usage import Usage

COMPLETED, INCOMPLETE, FAILED, CUT, STOPPED = (
    "completed", "incomplete", "failed", "cut", "stopped",
)  # fmt: skip
"""How an answer ends. `cut`: without a last event. `stopped`: the user did not wait for it."""


class Call(NamedTuple):
    """A call that the model made. Nothing runs it."""

    name: str
    arguments: str


@dataclass(slots=True)
class Answer:
    """One answer. Times are in seconds; None is unknown."""

    slug: str
    outcome: str = CUT
    provider: str = ""
    """Who answered; empty when nobody is known to have."""
    model: str = ""
    """The model that the upstream was asked for."""
    label: str = ""
    answered_by: str = ""
    """The slug of the fallback that answered; empty when the slug itself did."""
    text: str = ""
    has_text: bool = True
    """Whether text and calls are known. The running shim keeps those of an answer only where flows are shown."""
    calls: list[Call] = field(default_factory=list)
    usage: Usage | None = None
    cost: float | None = None
    """In US dollars; None while the price or the usage is unknown, or a plan covers it."""
    first_seconds: float | None = None
    """Until the first part of the answer."""
    seconds: float | None = None
    code: str = ""
    message: str = ""
    """Code and text of what kept it from being complete."""
    left_out: list[str] = field(default_factory=list)
    """Parts of the request that the model did not get."""
    changed: list[str] = field(default_factory=list)
    """What else differs from the recorded request, apart from the model."""

    @property
    def is_complete(self) -> bool:
        """Whether the answer ended as it should."""
        return self.outcome == COMPLETED

    @property
    def is_on_plan(self) -> bool:
        """Whether a subscription covers it."""
        return self.provider in PLAN_ROUTES

    def price(self, prices: PriceTable) -> None:
        """Set the cost."""
        found = prices.find(self.answered_by or self.slug, self.model or self.slug)
        known = found and self.usage and not self.is_on_plan
        self.cost = found.cost(self.usage.plain()) if known and found and self.usage else None

    def fail(self, outcome: str, code: str, message: str) -> None:
        """Note why it is not complete."""
        self.outcome, self.code, self.message = outcome, code, message

    def plain(self) -> JsonDict:
        """Return the answer as JSON values."""
        return {
            "slug": self.slug,
            "outcome": self.outcome,
            "provider": self.provider,
            "model": self.model,
            "label": self.label,
            "answered_by": self.answered_by or self.slug,
            "text": self.text if self.has_text else None,
            "calls": [call._asdict() for call in self.calls] if self.has_text else None,
            "usage": self.usage.plain() if self.usage else None,
            "cost": None if self.cost is None else round(self.cost, 6),
            "on_plan": self.is_on_plan,
            "first_seconds": _rounded(self.first_seconds),
            "seconds": _rounded(self.seconds),
            "problem": {"code": self.code, "message": self.message} if self.code else None,
            "left_out": self.left_out,
            "changed": self.changed,
        }

    @classmethod
    def parse(cls, value: object) -> Answer:
        """Read an answer from JSON values."""
        fields = as_object(value)
        text, problem = fields.get("text"), as_object(fields.get("problem"))
        slug, answered_by = as_str(fields.get("slug")), as_str(fields.get("answered_by"))
        return cls(
            slug,
            as_str(fields.get("outcome")) or CUT,
            as_str(fields.get("provider")),
            as_str(fields.get("model")),
            as_str(fields.get("label")),
            "" if answered_by == slug else answered_by,
            as_str(text),
            isinstance(text, str),
            [
                Call(as_str(as_object(one).get("name")), as_str(as_object(one).get("arguments")))
                for one in _listed(fields.get("calls"))
            ],
            usage_of(fields.get("usage")),
            None,
            seconds_of(fields.get("first_seconds")),
            seconds_of(fields.get("seconds")),
            as_str(problem.get("code")),
            as_str(problem.get("message")),
            texts_of(fields.get("left_out")),
            texts_of(fields.get("changed")),
        )


def complete(answers: Iterable[Answer], table: RouteTable, prices: PriceTable) -> None:
    """Set the cost of answers, and who answered as far as the table knows it: a cassette and a flow do not say it."""
    for answer in answers:
        route = table.resolve(answer.slug)
        if route and not answer.provider and not answer.code:
            answer.provider, answer.model = route.provider, route.model
        if route and answer.provider == route.provider and not answer.answered_by:
            answer.label = answer.label or route_label(route)
        answer.price(prices)


def json_text(value: object) -> str:
    """Return a value as JSON. One that is nested more deeply than JSON is written is described."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return "(nested too deeply to be shown)"


def usage_of(value: object) -> Usage | None:
    """Read what `Usage.plain` returns."""
    counts = as_object(value)
    tokens_in, tokens_out = as_int(counts.get("input")), as_int(counts.get("output"))
    if tokens_in is None or tokens_out is None:
        return None
    cached, reasoning = _count(counts, "cached"), _count(counts, "reasoning")
    total, written = tokens_in + tokens_out, _count(counts, "cache_written")
    return Usage(tokens_in, cached, tokens_out, reasoning, total, written)


def seconds_of(value: object) -> float | None:
    """Read a time."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def texts_of(value: object) -> list[str]:
    """Read a list of texts."""
    return [one for one in _listed(value) if isinstance(one, str)]


def _count(counts: Mapping[str, object], name: str) -> int:
    return as_int(counts.get(name)) or 0


def _listed(value: object) -> list[object] | tuple[object, ...]:
    # the plain data of a flow that was saved has tuples
    return value if isinstance(value, list | tuple) else []


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
