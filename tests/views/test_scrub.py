from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.views.scrub import found, scrubbed, scrubbed_value
from tests.views.secrets import LOOKS_LIKE_NOTHING, NEEDLES, PLANTED

KEYS = sorted(PLANTED.keys() - LOOKS_LIKE_NOTHING)


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize(
    "around", ["{}", "see {}, then", '{{"a": "{}"}}', "x={}\n", "a\\n{}", "\\u0009{}\\\\n"]
)
def test_what_looks_like_a_secret_is_replaced(name: str, around: str) -> None:
    text = scrubbed(around.format(PLANTED[name]))

    assert NEEDLES[name] not in text
    assert found(around.format(PLANTED[name]))
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "Fix the bug in addons/core/wire/responses.py, line 42",
        "00000000-0000-7000-8000-ef9897139163",
        "in 18,200 (cached 17,000) · out 640",
        "gpt-5.5 → anthropic/claude-sonnet-4-5",
        "https://api.example.com/v1/chat/completions",
        "the token count is 12",
        "OK    logged in: ~/.codex/auth.json",
        "codex_exec/0.169.0 (Debian 12.0.0; x86_64) xterm",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert scrubbed(text) == text
    assert found(text) == []


def test_known_secret_is_found_wherever_it_stands() -> None:
    assert scrubbed("a hunter2pass b", ["hunter2pass"]) == "a <secret> b"
    assert found("xhunter2passx", ["hunter2pass"]) == ["a secret of this machine"]


def test_longer_secret_is_replaced_before_the_one_inside_it() -> None:
    assert scrubbed("abcdefghij", ["cdefgh", "abcdefghij"]) == "<secret>"


def test_very_short_secret_would_be_found_in_anything() -> None:
    assert scrubbed("a b c", ["a"]) == "a b c"


def test_texts_and_names_inside_values_are_scrubbed() -> None:
    value = {PLANTED["aws id"]: [PLANTED["e-mail"], 5, None]}

    assert scrubbed_value(value) == {"<aws key>": ["<e-mail>", 5, None]}


PIECES = st.sampled_from([*PLANTED.values(), "<jwt>", "token", "=", ":", " ", '"', "/home/", "@", "a", "\n"])  # fmt: skip


@given(st.lists(PIECES | st.text(max_size=5), max_size=8))
def test_nothing_is_found_in_what_was_scrubbed(pieces: list[str]) -> None:
    text = scrubbed("".join(pieces))

    assert found(text) == []
    assert scrubbed(text) == text


def test_long_text_without_a_blank_is_scrubbed_in_reasonable_time() -> None:
    for sign in ("a", "1a", "/", "-", "a@", "eyJ", "A1b/"):
        assert scrubbed(sign * 50_000) is not None
