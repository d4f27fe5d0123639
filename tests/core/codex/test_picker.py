"""Order and visibility of models in Codex's picker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.codex.picker import PickerRow, picker_rows


def entry(slug: str, **fields: object) -> dict[str, object]:
    return {"slug": slug, "visibility": "list", "supported_in_api": True, "priority": 5, **fields}


def test_rows_are_ordered_by_priority_and_stable() -> None:
    entries = [entry("b", priority=9), entry("a"), entry("z", priority=1), entry("c")]

    shown = list(picker_rows(entries, chatgpt_login=False))

    assert shown == [PickerRow("z", 1), PickerRow("a", 2), PickerRow("c", 3), PickerRow("b", 4)]


@pytest.mark.parametrize("visibility", ["hide", "none", None])
def test_only_listed_models_are_visible(visibility: object) -> None:
    [row] = picker_rows([entry("a", visibility=visibility)], chatgpt_login=True)

    assert row.position is None
    assert f'visibility "{visibility}"' in row.hidden_by


def test_account_only_model_needs_a_login() -> None:
    entries = [entry("a", supported_in_api=False), entry("b")]

    assert [each.position for each in picker_rows(entries, chatgpt_login=True)] == [1, 2]
    with_none = list(picker_rows(entries, chatgpt_login=False))
    assert [(each.slug, each.position) for each in with_none] == [("b", 1), ("a", None)]
    assert "supported_in_api" in with_none[1].hidden_by


@pytest.mark.parametrize(
    "field", [{"minimal_client_version": "99.0.0"}, {"available_in_plans": ["enterprise"]}]
)
def test_version_and_plan_fields_are_ignored(field: dict[str, object]) -> None:
    assert list(picker_rows([entry("a", **field)], chatgpt_login=False)) == [PickerRow("a", 1)]


@given(
    st.lists(
        st.fixed_dictionaries(
            {"slug": st.text()},
            optional={
                "visibility": st.sampled_from(["list", "hide", 3]),
                "supported_in_api": st.booleans() | st.none(),
                "priority": st.integers() | st.none() | st.text(),
            },
        )
    ),
    st.booleans(),
)
def test_every_entry_gives_one_row(entries: list[dict[str, object]], login: bool) -> None:
    rows = list(picker_rows(entries, chatgpt_login=login))

    assert sorted(each.slug for each in rows) == sorted(str(e["slug"]) for e in entries)
    positions = [each.position for each in rows if each.position is not None]
    assert positions == list(range(1, len(positions) + 1))
    assert all(bool(each.hidden_by) == (each.position is None) for each in rows)
