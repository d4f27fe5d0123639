from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.translate.call_ids import anthropic_id, mistral_id, openai_id

FORMS: dict[Callable[[str], str], str] = {
    openai_id: r"(?s:.{0,40})",
    anthropic_id: r"[a-zA-Z0-9_-]{1,64}",
    mistral_id: r"[a-zA-Z0-9]{9}",
}
OF_RESPONSES = "fc_0f0e50a1476a3c35006912c58dc9f8819192c25864eb16f07f"
OF_KIMI = "functions.exec_command:0"


@pytest.mark.parametrize("form", FORMS, ids=lambda form: str(form.__name__))
@given(st.lists(st.text(max_size=80), unique=True, max_size=5))
def test_every_id_is_legal_told_from_others_and_stays_once_legal(
    form: Callable[[str], str], call_ids: list[str]
) -> None:
    given_on = [form(call_id) for call_id in call_ids]
    assert all(re.fullmatch(FORMS[form], one) for one in given_on)
    assert len(set(given_on)) == len(call_ids)
    assert [form(one) for one in given_on] == given_on


@pytest.mark.parametrize(
    ("form", "call_id"),
    [
        (openai_id, "call_1"), (openai_id, OF_KIMI), (openai_id, "x" * 40), (openai_id, ""),
        (anthropic_id, OF_RESPONSES), (anthropic_id, "x" * 64), (mistral_id, "a1B2c3D4e"),
    ],
)  # fmt: skip
def test_an_allowed_id_stays_as_it_is(form: Callable[[str], str], call_id: str) -> None:
    assert form(call_id) == call_id


@pytest.mark.parametrize(("form", "longest"), [(openai_id, 40), (anthropic_id, 64)])
def test_an_id_is_as_long_as_allowed(form: Callable[[str], str], longest: int) -> None:
    shortened = form("x" * (longest + 1))
    assert len(shortened) == longest
    assert shortened.startswith("x" * (longest - 13) + "_")


def test_a_shortened_id_can_be_recognised() -> None:
    assert openai_id(OF_RESPONSES).startswith("fc_0f0e50a1476a3c3500691")
    assert anthropic_id(OF_KIMI).startswith("functions_exec_command_0_")
