"""The terms of the protocols that stay readable in a masked turn."""

from __future__ import annotations

import re

import pytest

from addons.views import vocabulary
from addons.views.scrub import found
from tests.views.samples import RESPONSES_EVENTS, chat_stream, messages_stream


def test_every_member_with_a_rule_of_its_own_is_known() -> None:
    ruled = vocabulary.TERM_KEYS | vocabulary.ID_KEYS | vocabulary.MODEL_KEYS | vocabulary.URL_KEYS
    assert ruled - vocabulary.KEYS == {"response_id"}


def test_no_term_looks_like_a_secret() -> None:
    terms = (*vocabulary.KEYS, *vocabulary.TERMS, *vocabulary.TOOLS, *vocabulary.HEADERS)
    assert found("\n".join(terms)) == []


@pytest.mark.parametrize("body", [chat_stream(), messages_stream()])
def test_event_types_of_upstreams_are_terms(body: bytes) -> None:
    types = {match.decode() for match in re.findall(rb'"(?:type|object)": ?"([^"]+)"', body)}
    assert types
    assert [one for one in types if not vocabulary.is_term(one)] == []


def test_event_types_of_responses_are_terms() -> None:
    own = {"response.heartbeat"}
    types = {str(event["type"]) for event in RESPONSES_EVENTS} - own
    assert [one for one in types if not vocabulary.is_term(one)] == []


@pytest.mark.parametrize("text", ["weaving_loom_tool", "response.secret", "Friday", "", "user "])
def test_other_text_is_no_term(text: str) -> None:
    assert not vocabulary.is_term(text)


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("call_abc123", True),
        ("00000000-0000-7000-8000-000000000001", True),
        ("chatcmpl-abc", True),
        ("ada", False),
        ("call_with space", False),
    ],
)
def test_id_has_a_known_form(text: str, matches: bool) -> None:
    assert (vocabulary.ID.fullmatch(text) is not None) is matches
