"""One answer of a comparison: its JSON form and its cost."""

from __future__ import annotations

import pytest

from addons.core.routes import OneStepPlan, Route, RouteTable
from addons.core.telemetry.prices import Price, PriceTable
from addons.core.turn import Answer as AnswerStep
from addons.core.turn import Head, Reply
from addons.core.usage import Usage
from addons.core.what_if.answer import CUT, Answer, complete
from tests.core.what_if.samples import answer

NO_PLAN = OneStepPlan(AnswerStep(Reply(Head(500), b"")))
PRICES = PriceTable("", {"deepseek-chat": Price(1.0, 2.0)}, {"other": Price(10.0, 10.0)})


def test_plain_form_is_read_back() -> None:
    whole = answer(left_out=["a tool"], changed=["effort"], answered_by="other")
    failed = answer(has_text=False, text="", calls=[], usage=None, seconds=None)
    failed.fail("failed", "code", "why")
    for one in (whole, failed):
        assert Answer.parse(one.plain()).plain() == one.plain()
    assert whole.plain()["answered_by"] == "other"
    assert answer().plain()["answered_by"] == "row"


def test_any_value_is_read() -> None:
    values: tuple[object, ...] = (
        None,
        [],
        {},
        {"usage": {"input": "x"}, "calls": [3, {}], "seconds": True},
    )
    for value in values:
        found = Answer.parse(value)
        assert (found.outcome, found.usage, found.seconds) == (CUT, None, None)


def test_cost_is_that_of_the_price_table() -> None:
    paid = answer(usage=Usage(1_000_000, 0, 1_000_000, 0, 2_000_000))
    paid.price(PRICES)
    assert paid.cost == pytest.approx(3.0)
    paid.answered_by = "other"
    paid.price(PRICES)
    assert paid.cost == pytest.approx(20.0), "the price of the row that answered"


def test_who_answered_is_completed_from_the_table() -> None:
    made = Route("row", "Row", "deepseek", "deepseek-chat", {}, lambda *_: NO_PLAN, label="Mine")
    table = RouteTable.of([made])
    recorded, flow = answer(provider="", model="", label=""), answer(label="")
    moved, failed = answer(label="", answered_by="other"), Answer("row")
    failed.fail("failed", "x", "why")
    elsewhere, gone = answer(provider="chatgpt", label=""), answer("gone", provider="", label="")
    complete((recorded, flow, moved, failed, elsewhere, gone), table, PRICES)
    assert (recorded.provider, recorded.model, recorded.label) == ("deepseek", "deepseek-chat", "Mine")  # fmt: skip
    assert recorded.cost
    assert (flow.label, moved.label, elsewhere.label) == ("Mine", "", "")
    assert (failed.provider, gone.provider) == ("", "")


def test_unknown_cost_is_none() -> None:
    for one in (answer(model="x"), answer(usage=None), answer(provider="chatgpt")):
        one.price(PRICES)
        assert one.cost is None
    assert answer(provider="chatgpt").is_on_plan
