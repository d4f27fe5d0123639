"""`privacy` of models.json: what it switches on, and what is wrong with it."""

from __future__ import annotations

import orjson
import pytest

from addons.core.settings.models_file import parse_models
from addons.core.settings.privacy import BROKEN, OFF, ON, SETS, Privacy, in_force
from addons.core.settings.root import Settings, parse_settings


def _settings(privacy: object, before: Settings | None = None) -> Settings:
    return parse_settings(orjson.dumps({"privacy": privacy}), "models.json", {}, before)


def test_it_is_off_without_a_setting() -> None:
    assert parse_settings(b"{}", "models.json", {}).privacy == OFF
    assert parse_settings(None, "models.json", {}).privacy == OFF
    assert _settings(False).privacy == OFF


def test_sets_are_on_unless_they_are_switched_off() -> None:
    assert _settings(True).privacy == _settings({}).privacy == ON
    assert _settings({"phones": False, "keys": True}).privacy.sets == (
        "keys",
        "tokens",
        "emails",
        "cards",
    )
    assert ON.sets == SETS


def test_patterns_have_names() -> None:
    found = _settings({"patterns": {"ticket": "ACME-[0-9]{4}"}}).privacy
    assert found.patterns["ticket"].fullmatch("ACME-1234")
    assert found.shown == "keys, tokens, emails, phones, cards, ticket"
    assert Privacy(is_on=True, sets=()).shown.startswith("nothing")


@pytest.mark.parametrize(
    ("privacy", "problem"),
    [
        ("yes", "privacy: 'yes' is neither true, false nor an object"),
        ({"emials": True}, "privacy.emials: there is no such setting. Did you mean 'emails'?"),
        ({"whatever": True}, "privacy.whatever: there is no such setting. The settings are keys, tokens"),
        ({"keys": 1}, "privacy.keys: 1 is neither true nor false"),
        ({"patterns": []}, "privacy.patterns: not an object"),
        ({"patterns": {"ticket": "("}}, "privacy.patterns.ticket: not a regular expression"),
        ({"patterns": {"ticket": 7}}, "privacy.patterns.ticket: it is not a regular expression in quotes"),
        ({"patterns": {"Ticket": "abcd"}}, "privacy.patterns.Ticket: a name is a letter"),
        ({"patterns": {"averylongname": "abcd"}}, "a name is a letter and at most 10 more"),
        ({"patterns": {"email": "abcd"}}, "privacy.patterns.email: this name is taken"),
        ({"patterns": {f"p{at}": "abcd" for at in range(51)}}, "more than 50 patterns"),
    ],
)  # fmt: skip
def test_a_problem_names_its_field_and_lets_no_turn_pass(privacy: object, problem: str) -> None:
    found = _settings(privacy)
    assert any(problem in one for one in found.problems), found.problems
    assert found.privacy is BROKEN
    # the last valid state stays in force
    assert _settings(privacy, _settings(True)).privacy == ON


def test_a_file_that_is_no_json_never_switches_it_off() -> None:
    broken = b'{"privacy": true,'
    assert parse_settings(broken, "models.json", {}).privacy is BROKEN
    assert parse_settings(broken, "models.json", {}, _settings(True)).privacy == ON
    assert parse_settings(b"{", "models.json", {}).privacy == OFF


@pytest.mark.parametrize("name", ["privcy", "Privacy", "privacy_"])
def test_a_misspelt_section_lets_no_turn_pass(name: str) -> None:
    found = parse_settings(orjson.dumps({name: {"emails": True}}), "models.json", {})
    assert found.privacy is BROKEN
    assert f"{name}: there is no such setting. Did you mean 'privacy'?" in found.problems[0]
    both = parse_settings(orjson.dumps({name: 1, "privacy": False}), "models.json", {})
    assert both.privacy == OFF
    assert parse_settings(b'{"plugins": {}}', "models.json", {}).privacy == OFF


def test_an_option_switches_it_on_and_never_off() -> None:
    patterns = _settings({"patterns": {"ticket": "abcd"}}).privacy
    assert in_force(OFF, always=True) == ON
    assert in_force(patterns, always=True) is patterns
    assert in_force(OFF, always=False) == OFF
    assert in_force(ON, always=False) is ON


def test_a_row_can_be_exempt() -> None:
    rows: list[dict[str, object]] = [
        {"model": "a", "base_url": "http://127.0.0.1:1/v1", "privacy": False},
        {"model": "b", "base_url": "http://127.0.0.1:1/v1"},
    ]
    found = parse_models(orjson.dumps({"models": rows}), "models.json").rows
    assert [row.privacy for row in found] == [False, True]
    wrong = parse_models(
        orjson.dumps({"models": [{**rows[0], "privacy": "no way"}]}), "models.json"
    )
    assert "privacy: it is not true or false" in wrong.problems[0]
