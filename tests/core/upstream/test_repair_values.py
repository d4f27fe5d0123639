"""Repairs that send another value."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from addons.core.upstream.profile import Profile
from addons.core.upstream.refusal import read_refusal
from addons.core.upstream.repair_values import (
    EFFORTS,
    accepted_efforts,
    auth_header,
    forced_choice,
    next_value,
    output_limit,
)
from addons.core.upstream.sent import Sent
from tests.core.upstream.test_traits import TARGET


def sent(key: str = "", fields: dict[str, Any] | None = None, **profile: Any) -> Sent:
    return Sent(replace(TARGET, profile=Profile(**profile)), fields or {}, key)


def first(found: Any) -> dict[str, Any]:
    change = next(iter(found), None)
    return dict(change.traits) if change else {}


@pytest.mark.parametrize(("current", "rest"), [("a", ["b", "c"]), ("b", ["c"]), ("c", []), ("x", ["c"])])  # fmt: skip
def test_values_after_the_current_one_are_proposed(current: str, rest: list[str]) -> None:
    given = replace(TARGET, profile=Profile(name=current))
    found = next_value("name", ("a", "b", "c"))(read_refusal(400, b""), Sent(given, {}))
    assert [dict(change.traits)["name"] for change in found] == rest


def test_each_level_becomes_the_nearest_that_is_not_stronger() -> None:
    refusal = read_refusal(400, b"effort must be one of low, high")
    efforts = first(
        accepted_efforts(refusal, sent(fields={"reasoning_effort": "medium"}, effort_style="reasoning_effort"))
    )["efforts"]  # fmt: skip
    assert efforts == {name: "high" if EFFORTS.index(name) >= 4 else "low" for name in EFFORTS}


def test_reasoning_that_cannot_be_disabled_stays_on() -> None:
    refusal = read_refusal(400, b"Reasoning is mandatory for this endpoint and cannot be disabled.")
    given = sent(fields={"reasoning": {"effort": "none"}}, effort_style="reasoning_object")
    assert first(accepted_efforts(refusal, given))["efforts"]["none"] == "low"


@pytest.mark.parametrize(
    ("words", "limit"),
    [
        ("max_tokens must be at most 16,384", 16384),
        ("max_tokens must be <= 4096, got 20000", 4096),
        ("maximum context length is 8192 tokens", None),
        ("max_tokens must be at least 1", None),
        ("max_tokens of model v2 is wrong", None),
    ],
)
def test_output_limit_is_the_number_below_the_one_that_was_sent(
    words: str, limit: int | None
) -> None:
    given = sent(fields={"max_tokens": 20000})
    found = first(output_limit(read_refusal(400, words.encode()), given))
    assert found.get("max_output_tokens") == limit


@pytest.mark.parametrize(
    ("words", "key", "wanted"),
    [
        ("Missing Authorization header", "x-api-key", "authorization"),
        ("x-api-key header is required", "authorization", "x-api-key"),
        ("no api key provided", "authorization", "x-api-key"),
        ("no api key provided", "api-key", "authorization"),
        ("Missing Authorization header", "authorization", None),
        ("invalid bearer token", "authorization", None),
        ("no api key provided", "", None),
    ],
)
def test_other_key_header_only_where_the_refusal_names_it(
    words: str, key: str, wanted: str | None
) -> None:
    assert first(auth_header(read_refusal(401, words.encode()), sent(key))).get("auth") == wanted


def test_forced_tool_is_given_up_where_only_auto_is_accepted() -> None:
    named = sent(fields={"tool_choice": {"type": "function"}})
    only_auto = read_refusal(400, b'tool_choice must be "auto" or "none"')
    assert first(forced_choice(only_auto, named)) == {"tool_choice_required": False}
    assert first(forced_choice(read_refusal(400, b"tool_choice is invalid"), named)) == {
        "tool_choice_named": False
    }
