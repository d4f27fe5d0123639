"""Budgets: what turns may cost, by day, thread, agent or model, and whether one more turn fits.

A turn is checked before it starts, with what the ended turns cost, what the running ones may cost, and an estimate of its
own request. Never does: read a file or a clock, guess a price. Invariants: a sum is never negative; a lifted budget
refuses nothing; a turn that costs nothing is refused by no budget in dollars.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import orjson

from addons.core.errors import Problem
from addons.core.json_values import as_object

Per = Literal["day", "thread", "agent", "model"]
Unit = Literal["dollars", "tokens"]
UnknownPrice = Literal["refuse", "allow"]
WARN_SHARE = 0.8
MAX_SCOPES = 20_000
"""Threads and agents whose sums are kept. Those that were not used for longest are dropped."""
BYTES_PER_TOKEN = 4
PICTURE_TOKENS = 1_500
MEAN_TURNS = 20
"""Of how many turns the mean output of a model is taken."""
Answering = tuple[str, str]
"""A provider and its model."""
_PICTURE = re.compile(rb";base64,[A-Za-z0-9+/=]{400,}+")


@dataclass(frozen=True, slots=True)
class Budget:
    """One budget of models.json."""

    name: str
    per: Per
    unit: Unit
    limit: float
    model: str = ""
    """The slug of the only model whose turns count; empty for all."""
    unknown_price: UnknownPrice = "refuse"
    """What happens to turns of unknown price. A budget in tokens needs no price."""

    @property
    def title(self) -> str:
        """The budget for people: `day-dollars ($5.00 per day, gpt-5.5 only)`."""
        only = f", {self.model} only" if self.model else ""
        return f"{self.name} ({amount_text(self.limit, self.unit)} per {self.per}{only})"


class Payer(NamedTuple):
    """Whom a turn counts for."""

    slug: str
    thread: str = ""
    """The thread of the call itself: that of the user, of a sub-agent or of a helper call."""
    root: str = ""
    """The thread of the user that the call belongs to."""


class Cost(NamedTuple):
    """What a turn costs. `dollars` is None while its price is unknown."""

    tokens: int
    dollars: float | None


FREE = Cost(0, 0.0)
MAX_DOLLARS = 1e9
"""More is no possible cost of one turn."""
Scope = tuple[str, ...]


def scope_of(per: Per, payer: Payer, day: str) -> Scope | None:
    """Return the sum that a turn adds to; None when the client named no thread."""
    match per:
        case "day":
            return (per, day)
        case "model":
            return (per, day, payer.slug)
        case "thread":
            return (per, payer.root) if payer.root else None
        case "agent":
            return (per, payer.thread) if payer.thread else None


@dataclass(slots=True)
class Sum:
    """What the turns of one model in one scope cost together."""

    dollars: float = 0.0
    tokens: int = 0

    def add(self, cost: Cost) -> None:
        """Add a turn. What is not a possible cost counts as nothing."""
        dollars = cost.dollars or 0.0
        self.dollars += dollars if 0 < dollars <= MAX_DOLLARS else 0.0
        self.tokens += max(0, cost.tokens)


class Spending:
    """The sums of all ended turns, by scope and model."""

    def __init__(self, max_scopes: int = MAX_SCOPES) -> None:
        self._max_scopes = max_scopes
        self._sums: dict[Scope, dict[str, Sum]] = {}
        self._day = ""

    def add(self, payer: Payer, cost: Cost, day: str) -> None:
        """Add a turn that started on this day, `YYYY-MM-DD`."""
        if day > self._day:
            self._day = day
            gone = [key for key in self._sums if key[0] in ("day", "model") and key[1] != day]
            for key in gone:
                del self._sums[key]
        for per in _PERS:
            if scope := scope_of(per, payer, day):
                models = self._sums[scope] = self._sums.pop(scope, {})
                models.setdefault(payer.slug, Sum()).add(cost)
        while len(self._sums) > self._max_scopes:
            del self._sums[next(iter(self._sums))]

    def merge(self, other: Spending) -> None:
        """Take the larger one of each two sums: a sum only grows, and each of both may lack turns that the other has."""
        for scope, models in other._sums.items():
            own = self._sums.setdefault(scope, {})
            for slug, one in models.items():
                known = own.get(slug, one)
                own[slug] = Sum(max(known.dollars, one.dollars), max(known.tokens, one.tokens))
        self._day = max(self._day, other._day)

    def spent(self, budget: Budget, scope: Scope) -> float:
        """Return what counts for a budget in one scope."""
        sums = self._sums.get(scope, {})
        counted = [one for slug, one in sums.items() if budget.model in ("", slug)]
        return sum(float(getattr(one, budget.unit)) for one in counted)

    def highest(self, budget: Budget, day: str) -> tuple[float, str]:
        """Return the largest sum of any scope of a budget, and the last part of that scope: a model, a thread or the day."""
        scopes = [
            key
            for key in self._sums
            if key[0] == budget.per and (key[1] == day or budget.per in ("thread", "agent"))
        ]
        found = ((self.spent(budget, key), key[-1]) for key in scopes)
        return max(found, default=(0.0, ""), key=lambda one: one[0])


_PERS: tuple[Per, ...] = ("day", "thread", "agent", "model")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a turn may not start. `needed` is the estimate of its request, None while its price is unknown."""

    budget: Budget
    slug: str
    spent: float
    running: float
    needed: float | None

    @property
    def problem(self) -> Problem:
        """The error for the client, with the type and status of an upstream whose quota is used up."""
        text = self._unknown if self.needed is None else self._used_up
        return Problem(429, "budget_exceeded", text, "insufficient_quota")

    @property
    def _lift(self) -> str:
        return f"`codex-shim budget lift {self.budget.name} --for 1h`"

    @property
    def _used_up(self) -> str:
        budget, needed = self.budget, self.needed or 0.0
        running = f", running turns may cost {self._text(self.running)}" if self.running else ""
        return (
            f"The budget {budget.title} is used up: {self._text(self.spent)} spent{running}, and this request would cost about "
            f"{self._text(needed)}. Nothing was sent. Lift the budget with {self._lift}, or "
            "change `budgets` in models.json."
        )

    @property
    def _unknown(self) -> str:
        return (
            f"The budget {self.budget.title} cannot count this turn, because the price of {self.slug} is unknown. "
            "Nothing was sent. Give its row in models.json a `price`, set `unknown_price` of the budget to `allow`, or "
            f"lift the budget with {self._lift}."
        )

    def _text(self, amount: float) -> str:
        return amount_text(amount, self.budget.unit)


class Ask(NamedTuple):
    """A turn that wants to start, and what may be spent by the time it does."""

    payer: Payer
    cost: Cost
    day: str
    running: Iterable[tuple[Payer, Cost]] = ()


def refusals(budgets: Sequence[Budget], spending: Spending, ask: Ask) -> Iterator[Refusal]:
    """Yield each budget that does not admit a turn."""
    running = list(ask.running)
    for budget in budgets:
        scope = scope_of(budget.per, ask.payer, ask.day)
        if scope is None or budget.model not in ("", ask.payer.slug):
            continue
        needed = getattr(ask.cost, budget.unit)
        if needed is None:
            if budget.unknown_price == "refuse":
                yield Refusal(budget, ask.payer.slug, 0.0, 0.0, None)
            continue
        if budget.unit == "dollars" and needed <= 0:
            continue
        spent = spending.spent(budget, scope)
        reserved = sum(_counted(budget, scope, payer, cost, ask.day) for payer, cost in running)
        if spent >= budget.limit or spent + reserved + needed > budget.limit:
            yield Refusal(budget, ask.payer.slug, spent, reserved, needed)


def _counted(budget: Budget, scope: Scope, payer: Payer, cost: Cost, day: str) -> float:
    """Return what a running turn may add to a budget in one scope."""
    is_counted = budget.model in ("", payer.slug) and scope_of(budget.per, payer, day) == scope
    return max(0.0, getattr(cost, budget.unit) or 0.0) if is_counted else 0.0


def nearly_used_up(
    budgets: Sequence[Budget], spending: Spending, payer: Payer, day: str
) -> Iterator[tuple[Budget, float]]:
    """Yield each budget of which a payer has used most, with what is spent."""
    for budget in budgets:
        scope = scope_of(budget.per, payer, day)
        if scope and (spent := spending.spent(budget, scope)) >= WARN_SHARE * budget.limit:
            yield budget, spent


def estimated_tokens(body: bytes) -> int:
    """Return about how many tokens of input a decoded request body is. A picture counts as one, not as its bytes."""
    pictures = _PICTURE.findall(body) if b";base64," in body else []
    text = len(body) - sum(map(len, pictures))
    return -(-text // BYTES_PER_TOKEN) + PICTURE_TOKENS * len(pictures)


class OutputMeans:
    """How much output the last turns of each model had, for the estimate of its next one."""

    def __init__(self, known: Mapping[Answering, float] | None = None) -> None:
        """`known`: means of turns that ended before."""
        self._means: dict[Answering, float] = dict(known or {})
        self._counts = dict.fromkeys(self._means, MEAN_TURNS)

    def add(self, answering: Answering, tokens: int) -> None:
        """Add a turn. The oldest count less and less."""
        count = self._counts[answering] = min(self._counts.get(answering, 0) + 1, MEAN_TURNS)
        mean = self._means.get(answering, 0.0)
        self._means[answering] = mean + (max(0, tokens) - mean) / count

    def expected(self, answering: Answering) -> int:
        """Return the tokens of output to expect; 0 while nothing is known of the model."""
        return round(self._means.get(answering, 0.0))


def amount_text(amount: float, unit: Unit) -> str:
    """Return an amount for people: `$5.00`, `$0.0034`, `2,000,000 tokens`."""
    if unit == "tokens":
        return f"{amount:,.0f} tokens"
    return f"${amount:,.2f}" if amount >= 1 or amount == round(amount, 2) else f"${amount:.4f}"


# Lifted budgets ---------------------------------------------------------------------------------------------

Lifts = Mapping[str, float]
"""Name of a budget → the Unix time at which it applies again."""
MAX_LIFT_SECONDS = 7 * 86_400.0


def parse_lifts(data: bytes | None, now: float) -> Lifts:
    """Return the budgets that are lifted now, from the content of the file. Total."""
    try:
        values = as_object(orjson.loads(data or b"{}"))
    except orjson.JSONDecodeError:
        return {}
    return {
        name: float(until)
        for name, until in values.items()
        if isinstance(until, int | float) and now < until <= now + MAX_LIFT_SECONDS
    }


def dump_lifts(lifts: Lifts) -> bytes:
    """Return the content of the file."""
    return orjson.dumps(dict(lifts), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
