from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.canonical.turns import anthropic_call_id, mistral_call_id, openai_call_id

FORMS: dict[Callable[[str], str], str] = {
    openai_call_id: r"(?s:.{0,40})",
    anthropic_call_id: r"[a-zA-Z0-9_-]{1,64}",
    mistral_call_id: r"[a-zA-Z0-9]{9}",
}
RESPONSES_ID = "fc_0f0e50a1476a3c35006912c58dc9f8819192c25864eb16f07f"
KIMI_ID = "functions.exec_command:0"


@pytest.mark.parametrize("form", FORMS, ids=lambda form: str(form.__name__))
@given(st.lists(st.text(max_size=80), unique=True, max_size=5))
def test_call_ids_are_legal_distinct_and_stable(
    form: Callable[[str], str], call_ids: list[str]
) -> None:
    shortened = [form(call_id) for call_id in call_ids]
    assert all(re.fullmatch(FORMS[form], one) for one in shortened)
    assert len(set(shortened)) == len(call_ids)
    assert [form(one) for one in shortened] == shortened


@pytest.mark.parametrize(
    ("form", "call_id"),
    [
        (openai_call_id, "call_1"), (openai_call_id, KIMI_ID), (openai_call_id, "x" * 40), (openai_call_id, ""),
        (anthropic_call_id, RESPONSES_ID), (anthropic_call_id, "x" * 64), (mistral_call_id, "a1B2c3D4e"),
    ],
)  # fmt: skip
def test_legal_call_id_is_unchanged(form: Callable[[str], str], call_id: str) -> None:
    assert form(call_id) == call_id


@pytest.mark.parametrize(("form", "longest"), [(openai_call_id, 40), (anthropic_call_id, 64)])
def test_call_id_has_the_maximum_length(form: Callable[[str], str], longest: int) -> None:
    shortened = form("x" * (longest + 1))
    assert len(shortened) == longest
    assert shortened.startswith("x" * (longest - 13) + "_")


def test_shortened_call_id_keeps_its_beginning() -> None:
    assert openai_call_id(RESPONSES_ID).startswith("fc_0f0e50a1476a3c3500691")
    assert anthropic_call_id(KIMI_ID).startswith("functions_exec_command_0_")
