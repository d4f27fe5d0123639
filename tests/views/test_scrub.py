"""Secrets in free text."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from addons.views.scrub import found, scrubbed, scrubbed_value
from tests.views.secrets import NEEDLES, PLANTED, UNRECOGNIZABLE

KEYS = sorted(PLANTED.keys() - UNRECOGNIZABLE)


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize(
    "context", ["{}", "see {}, then", '{{"a": "{}"}}', "x={}\n", "a\\n{}", "\\u0009{}\\\\n"]
)
def test_secret_is_replaced_in_every_context(name: str, context: str) -> None:
    text = scrubbed(context.format(PLANTED[name]))

    assert NEEDLES[name] not in text
    assert found(context.format(PLANTED[name]))
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "Fix the bug in addons/core/protocols/responses/observer.py, line 42",
        "00000000-0000-7000-8000-ef9897139163",
        "in 18,200 (cached 17,000) · out 640",
        "gpt-5.5 → anthropic/claude-sonnet-4-5",
        "https://api.example.com/v1/chat/completions",
        "the token count is 12",
        "OK    logged in: ~/.codex/auth.json",
        "codex_exec/0.169.0 (Debian 12.0.0; x86_64) xterm",
    ],
)
def test_ordinary_text_is_unchanged(text: str) -> None:
    assert scrubbed(text) == text
    assert found(text) == []


def test_known_secret_is_replaced_inside_other_text() -> None:
    assert scrubbed("a hunter2pass b", ["hunter2pass"]) == "a <secret> b"
    assert found("xhunter2passx", ["hunter2pass"]) == ["a secret of this machine"]


def test_longer_secret_is_replaced_before_a_shorter_one_inside_it() -> None:
    assert scrubbed("abcdefghij", ["cdefgh", "abcdefghij"]) == "<secret>"


def test_very_short_known_secret_is_ignored() -> None:
    assert scrubbed("a b c", ["a"]) == "a b c"


def test_strings_and_member_names_of_a_value_are_scrubbed() -> None:
    value = {PLANTED["aws id"]: [PLANTED["e-mail"], 5, None]}

    assert scrubbed_value(value) == {"<aws key>": ["<e-mail>", 5, None]}


PIECES = st.sampled_from([*PLANTED.values(), "<jwt>", "token", "=", ":", " ", '"', "/home/", "@", "a", "\n"])  # fmt: skip


@given(st.lists(PIECES | st.text(max_size=5), max_size=8))
@example([PLANTED["aws id"], PLANTED["api key"]])
def test_scrubbed_text_holds_no_secret_and_does_not_change_again(pieces: list[str]) -> None:
    text = scrubbed("".join(pieces))

    assert found(text) == []
    assert scrubbed(text) == text


def test_long_text_without_blanks_is_scrubbed_quickly() -> None:
    for pattern in ("a", "1a", "/", "-", "a@", "eyJ", "A1b/"):
        assert scrubbed(pattern * 50_000) is not None
