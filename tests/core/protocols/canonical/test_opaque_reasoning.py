from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.canonical.opaque_reasoning import MARK, unwrap, wrap

DATA = st.dictionaries(
    st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")) | st.none()
)


@given(DATA, st.sampled_from(("a", "messages:https://host:model")))
def test_blob_unwraps_only_for_its_scope(data: dict[str, object], reasoning_scope: str) -> None:
    assert unwrap(wrap(reasoning_scope, data), reasoning_scope) == data
    assert unwrap(wrap(reasoning_scope, data), "other") is None


def test_blob_of_an_earlier_version_unwraps() -> None:
    kept = "codexshim1.WyJoZXJlIix7InNpZ25hdHVyZSI6InMifV0"
    assert unwrap(kept, "here") == {"signature": "s"}
    assert wrap("here", {"signature": "s"}) == kept


@given(st.text())
def test_any_text_is_unwrapped_or_refused(text: str) -> None:
    assert unwrap(text, "a") is None
    assert unwrap(MARK + text, "a") is None


@pytest.mark.parametrize(
    "text", ["gAAAAABo", MARK, MARK + "W10", MARK + "WyJhIiwxXQ", "codexshim2.e30"]
)
def test_foreign_and_malformed_blobs_do_not_unwrap(text: str) -> None:
    assert unwrap(text, "a") is None
