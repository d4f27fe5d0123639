from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.canonical.custom_tool_input import CustomInputDecoder, wrap_input

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)


def read(fragments: list[str]) -> tuple[str, str | None]:
    reader = CustomInputDecoder()
    return "".join(reader.feed(fragment) for fragment in fragments), reader.finish()


def decode_at_once(arguments: str) -> str | None:
    """Return the text of arguments that arrive at once."""
    text, rest = read([arguments])
    return None if rest is None else text + rest


def split(text: str, cuts: list[int]) -> list[str]:
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[a:b] for a, b in pairwise(places)]


@given(TEXTS, st.booleans(), st.dictionaries(TEXTS, st.integers(), max_size=2), st.booleans())
def test_single_characters_decode_like_a_json_parser(
    text: str, ascii_only: bool, others: dict[str, int], first: bool
) -> None:
    others.pop("input", None)
    value = {"input": text, **others} if first else {**others, "input": text}
    text_so_far, rest = read(list(json.dumps(value, ensure_ascii=ascii_only)))
    assert rest is not None
    assert text_so_far + rest == text


@given(st.text(max_size=30) | TEXTS.map(wrap_input), st.lists(st.integers(0, 99), max_size=5))
def test_any_split_decodes_the_same(arguments: str, cuts: list[int]) -> None:
    pieces, rest = read(split(arguments, cuts))
    assert (None if rest is None else pieces + rest) == decode_at_once(arguments)


def test_text_is_returned_as_it_arrives() -> None:
    reader = CustomInputDecoder()
    assert [reader.feed(part) for part in ('{"inp', 'ut": "*** Be', "gin\\", 'n"', "}")] == [
        "", "*** Be", "gin", "\n", "",
    ]  # fmt: skip
    assert reader.finish() == ""


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"input": "\\ud83d\\ude00"}', "\U0001f600"),
        ('{"input": "\\ud83d!"}', "\ufffd!"),
        ('{"input": "a\nb"}', "a\nb"),
        ("*** Begin Patch\n", "*** Begin Patch\n"),
        ('{"patch": "x"}', '{"patch": "x"}'),
        ('{"input": 5}', '{"input": 5}'),
        ("{ let a = 1 }", "{ let a = 1 }"),
        ('{"input": "a', None),
        ('{"inp', None),
        ("{", None),
        ('{"input": "a\\q"}', None),
        ("", ""),
    ],
)
def test_malformed_arguments(arguments: str, text: str | None) -> None:
    assert decode_at_once(arguments) == text
