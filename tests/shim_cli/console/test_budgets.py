"""Budgets as text: whatever another program answers on the port, nothing raises and no control character is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shim_cli.console.budgets import budget_pairs

NOW = 1000.0
BUDGET = {"name": "day-dollars", "per": "day", "model": "", "unit": "dollars", "spent": 3.12, "limit": 5}  # fmt: skip
VALUES = st.none() | st.booleans() | st.floats() | st.text() | st.lists(st.text())


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "$3.12 of $5.00 per day (62%)"),
        ({"model": "m"}, "$3.12 of $5.00 per day, m (62%)"),
        ({"unit": "tokens", "spent": 10.0}, "10 tokens of 5 tokens per day (200%)"),
        ({"lifted_until": NOW + 1800}, "$3.12 of $5.00 per day (62%), lifted for 30 min"),
        ({"lifted_until": NOW - 1}, "$3.12 of $5.00 per day (62%)"),
    ],
)
def test_budget_as_text(changes: dict[str, object], text: str) -> None:
    assert budget_pairs([{**BUDGET, **changes}], NOW) == [("budget day-dollars", text)]


@pytest.mark.parametrize("spent", [None, "3", True, float("nan"), float("inf")])
def test_budget_without_numbers_is_left_out(spent: object) -> None:
    assert budget_pairs([{**BUDGET, "spent": spent}], NOW) == []


@given(VALUES | st.lists(VALUES | st.dictionaries(st.sampled_from(list(BUDGET)), VALUES)))
def test_any_answer_gives_printable_text(answer: object) -> None:
    for pair in budget_pairs(answer, NOW):
        assert all(one.isprintable() or one in "\n\t" for text in pair for one in text)
