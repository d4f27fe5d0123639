from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.translate.replay import MARK, seal, unseal

DATA = st.dictionaries(
    st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")) | st.none()
)


@given(DATA, st.sampled_from(("a", "messages:https://host:model")))
def test_what_was_sealed_opens_for_its_lineage_alone(data: dict[str, object], lineage: str) -> None:
    assert unseal(seal(lineage, data), lineage) == data
    assert unseal(seal(lineage, data), "other") is None


def test_what_an_earlier_version_sealed_still_opens() -> None:
    kept = "codexshim1.WyJoZXJlIix7InNpZ25hdHVyZSI6InMifV0"
    assert unseal(kept, "here") == {"signature": "s"}
    assert seal("here", {"signature": "s"}) == kept


@given(st.text())
def test_nothing_makes_it_raise(text: str) -> None:
    assert unseal(text, "a") is None
    assert unseal(MARK + text, "a") is None


@pytest.mark.parametrize(
    "text", ["gAAAAABo", MARK, MARK + "W10", MARK + "WyJhIiwxXQ", "codexshim2.e30"]
)
def test_foreign_and_broken_blobs_do_not_open(text: str) -> None:
    assert unseal(text, "a") is None
