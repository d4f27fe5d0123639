"""The budgets of models.json: every wrong field is named, with what was probably meant."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.settings.budgets import WrongBudget, budgets_from
from addons.core.settings.root import Settings, parse_settings
from addons.core.telemetry.budgets import Budget

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
FIELDS = st.sampled_from(["name", "per", "dollars", "tokens", "model", "unknown_price", "x"])


def test_budgets_are_read_with_their_defaults() -> None:
    found, wrong = budgets_from(
        [
            {"per": "day", "dollars": 5},
            {"per": "thread", "tokens": 2_000_000, "model": "m/x:1", "unknown_price": "allow"},
            {"per": "agent", "dollars": 0.5, "name": "helpers"},
        ]
    )
    assert wrong == ()
    assert found == (
        Budget("day-dollars", "day", "dollars", 5.0),
        Budget("thread-tokens-m-x-1", "thread", "tokens", 2_000_000.0, "m/x:1", "allow"),
        Budget("helpers", "agent", "dollars", 0.5),
    )


@pytest.mark.parametrize(
    ("value", "field", "reason"),
    [
        (3, "", "not an object"),
        ({"tokens": 1}, "per", "it is one of day, thread, agent, model; it is missing"),
        ({"per": "threads", "tokens": 1}, "per", 'it is one of day, thread, agent, model; \'threads\' is none of them (did you mean "thread"?)'),
        ({"per": "day"}, "", "it needs either dollars or tokens"),
        ({"per": "day", "tokens": 1, "dollars": 1}, "", "it needs either dollars or tokens"),
        ({"per": "day", "dollars": 0}, "dollars", "0 is not a number above 0"),
        ({"per": "day", "dollars": True}, "dollars", "True is not a number above 0"),
        ({"per": "day", "tokens": "5"}, "tokens", "'5' is not a number above 0"),
        ({"per": "day", "tokens": 1, "unknown_prices": "allow"}, "unknown_prices", 'there is no such field (did you mean "unknown_price"?)'),
        ({"per": "day", "tokens": 1, "zzz": 1}, "zzz", "there is no such field: the fields are name, per, dollars, tokens, model, unknown_price"),
        ({"per": "day", "tokens": 1, "unknown_price": "alow"}, "unknown_price", 'it is one of refuse, allow; \'alow\' is none of them (did you mean "allow"?)'),
        ({"per": "day", "tokens": 1, "name": "12"}, "name", "'12' is no name: letters, digits, -, _ and ., not digits only"),
        ({"per": "day", "tokens": 1, "name": "a b"}, "name", "'a b' is no name: letters, digits, -, _ and ., not digits only"),
        ({"per": "day", "tokens": 1, "model": 1}, "model", "1 is not text"),
    ],
)  # fmt: skip
def test_wrong_field_is_named(value: object, field: str, reason: str) -> None:
    found, wrong = budgets_from([{"per": "day", "dollars": 1}, value])
    assert WrongBudget(1, field, reason) in wrong
    assert found[0] == Budget("day-dollars", "day", "dollars", 1.0)


def test_second_budget_of_a_name_is_reported() -> None:
    found, wrong = budgets_from([{"per": "day", "tokens": 1}, {"per": "day", "tokens": 2}])
    assert found == (Budget("day-tokens", "day", "tokens", 1.0),)
    reason = "another budget has the name 'day-tokens': give each its own"
    assert wrong == (WrongBudget(1, "name", reason),)


@given(st.lists(JSON | st.dictionaries(FIELDS, JSON)))
def test_reading_is_total_and_names_are_unique(values: list[object]) -> None:
    found, _ = budgets_from(values)
    assert len({one.name for one in found}) == len(found)
    assert all(one.limit > 0 and one.name for one in found)


def parse(budgets: object, before: Settings | None = None) -> Settings:
    data = orjson.dumps({"budgets": budgets}, option=orjson.OPT_INDENT_2)
    return parse_settings(data, "models.json", {}, before)


def test_settings_report_file_field_and_line() -> None:
    assert parse([{"per": "day", "dollars": -1}]).problems == (
        "models.json: budgets[0].dollars: -1 is not a number above 0 (line 5)",
    )
    assert parse({"per": "day"}).problems == ("models.json: budgets: not a list (line 2)",)


def test_broken_budget_leaves_those_before_in_force() -> None:
    before = parse([{"per": "day", "dollars": 5}])
    assert parse([{"per": "day", "dollars": -1}], before).budgets == before.budgets
    assert parse("x", before).budgets == before.budgets
    assert parse([], before).budgets == ()
    first = parse([{"per": "day", "dollars": -1}, {"per": "day", "tokens": 1}])
    assert [one.name for one in first.budgets] == ["day-tokens"]
