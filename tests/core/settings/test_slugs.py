from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.settings.slugs import assign_slugs, slugify


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("GLM-5", "glm-5"),
        ("deepseek/deepseek-chat", "deepseek-deepseek-chat"),
        ("Qwen3 Coder: 30B!", "qwen3-coder-30b"),
        ("composer-2.5", "composer-2-5"),
        ("--", ""),
    ],
)
def test_slug_is_lower_case_with_hyphens(text: str, slug: str) -> None:
    assert slugify(text) == slug


@pytest.mark.parametrize(
    ("rows", "slugs"),
    [
        ([{"model": "GLM-5"}], ["glm-5"]),
        ([{"model": "GLM-5", "slug": "My.GLM"}], ["My.GLM"]),
        ([{"model": "a", "id": "b"}], ["b"]),
        ([{"model": "a", "display_name": "Nice"}], ["a"]),
        (
            [{"model": "a", "displayName": "One"}, {"model": "a", "name": "Two"}],
            ["one", "two"],
        ),
        ([{"model": "a"}, {"model": "a"}], ["a", "a-1"]),
        ([{"model": "a.b"}, {"model": "a b"}], ["a-b", "a-b-1"]),
        ([{"slug": "a-2"}, {"model": "a"}, {"model": "a"}], ["a-2", "a", "a-2-2"]),
        ([{"model": None}, {}, {"model": "!"}], ["row-0", "row-1", "row-2"]),
    ],
)
def test_slugs_match_earlier_shims(rows: list[dict[str, object]], slugs: list[str]) -> None:
    assert assign_slugs(rows) == slugs


@given(st.lists(st.fixed_dictionaries({"model": st.sampled_from(["a", "A", "a-1", "a-1-2", "?"])})))
def test_slugs_are_unique(rows: list[dict[str, object]]) -> None:
    slugs = assign_slugs(rows)
    assert len(set(slugs)) == len(rows)
    assert all(slugs)
