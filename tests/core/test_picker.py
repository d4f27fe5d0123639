from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.picker import Shown, picked


def entry(slug: str, **fields: object) -> dict[str, object]:
    return {"slug": slug, "visibility": "list", "supported_in_api": True, "priority": 5, **fields}


def test_small_priorities_come_first_and_equal_ones_keep_their_order() -> None:
    entries = [entry("b", priority=9), entry("a"), entry("z", priority=1), entry("c")]

    shown = list(picked(entries, chatgpt_login=False))

    assert shown == [Shown("z", 1), Shown("a", 2), Shown("c", 3), Shown("b", 4)]


@pytest.mark.parametrize("visibility", ["hide", "none", None])
def test_only_listed_models_are_shown(visibility: object) -> None:
    [told] = picked([entry("a", visibility=visibility)], chatgpt_login=True)

    assert told.place is None
    assert f'visibility "{visibility}"' in told.hidden_by


def test_a_model_of_the_account_alone_needs_a_login() -> None:
    entries = [entry("a", supported_in_api=False), entry("b")]

    assert [each.place for each in picked(entries, chatgpt_login=True)] == [1, 2]
    with_none = list(picked(entries, chatgpt_login=False))
    assert [(each.slug, each.place) for each in with_none] == [("b", 1), ("a", None)]
    assert "supported_in_api" in with_none[1].hidden_by


@pytest.mark.parametrize(
    "field", [{"minimal_client_version": "99.0.0"}, {"available_in_plans": ["enterprise"]}]
)
def test_these_fields_change_nothing(field: dict[str, object]) -> None:
    assert list(picked([entry("a", **field)], chatgpt_login=False)) == [Shown("a", 1)]


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
def test_every_entry_is_told_of_once(entries: list[dict[str, object]], login: bool) -> None:
    told = list(picked(entries, chatgpt_login=login))

    assert sorted(each.slug for each in told) == sorted(str(e["slug"]) for e in entries)
    places = [each.place for each in told if each.place is not None]
    assert places == list(range(1, len(places) + 1))
    assert all(bool(each.hidden_by) == (each.place is None) for each in told)
