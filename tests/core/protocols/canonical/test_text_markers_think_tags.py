"""Reasoning between tags at the start of an answer."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.canonical.events import ReasoningDelta, TextDelta
from addons.core.protocols.canonical.text_markers import BLOCKS, ThinkTags


def read(*pieces: str) -> tuple[str, str]:
    """Return the joined reasoning and the joined text."""
    tags = ThinkTags()
    parts = [part for piece in pieces for part in tags.feed(piece)]
    parts += tags.finish()
    return (
        "".join(part.text for part in parts if isinstance(part, ReasoningDelta)),
        "".join(part.text for part in parts if isinstance(part, TextDelta)),
    )


CASES = [
    ("<think>hm</think>hi", ("hm", "hi")),
    ("\n <THINK>\n hm \n</Think>\n\n hi ", ("hm", "hi ")),
    ("<think></think>hi", ("", "hi")),
    ("<think>\n\n</think>\n\nhi", ("", "hi")),
    ("<think>a</think>\n<think>b</think>hi", ("ab", "hi")),
    ("<think>a </th b</think>hi", ("a </th b", "hi")),
    ("</think>\n\nhi", ("", "hi")),
    ("<think>a</think></think>hi", ("a", "hi")),
    ("<|begin_of_thought|>a<|end_of_thought|>\n<|begin_of_solution|>hi", ("a", "hi")),
    ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>hi", ("a", "hi")),
    ("<think>never ended", ("never ended", "")),
    ("<think>never </thi", ("never </thi", "")),
    ("hi <think>x</think>", ("", "hi <think>x</think>")),
    ("<thinker>x", ("", "<thinker>x")),
    ("<thi", ("", "<thi")),
    ("  hi", ("", "  hi")),
    (" \n", ("", " \n")),
    ("", ("", "")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "parts"), CASES)
def test_reasoning_and_text_are_separated(text: str, parts: tuple[str, str]) -> None:
    assert read(text) == parts


@pytest.mark.parametrize(("opening", "closing"), BLOCKS.items())
def test_each_pair_of_tags_is_read(opening: str, closing: str) -> None:
    assert read(f"{opening}hm{closing}\nhi") == ("hm", "hi")
    assert read(*f"{opening.upper()}hm{closing.upper()}\nhi") == ("hm", "hi")


@given(st.sampled_from([text for text, _ in CASES]), st.lists(st.integers(0, 90), max_size=12))
def test_any_split_gives_the_same_parts(text: str, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    assert read(*(text[a:b] for a, b in itertools.pairwise(edges))) == read(text)


def test_text_in_one_piece_before_a_closing_tag_is_reasoning() -> None:
    assert read("hm\n</think>\n\nhi", " there") == ("hm", "hi there")
    assert read("hm</think>391") == ("hm", "391")
    assert read("hm</think>", "\n391") == ("hm", "391")
    assert read("hm</think>") == ("hm", "")


@pytest.mark.parametrize(
    "text", ["the </think> tag", "`</think>` ends it", 'a "</think>" b', "<think> and </think>\nx"]
)
def test_prose_about_tags_is_text(text: str) -> None:
    content = f"So {text}"
    for cut in range(len(content)):
        assert read(content[:cut], content[cut:]) == ("", content), content[:cut]


def test_endless_whitespace_is_passed_on() -> None:
    assert read("\n" * 5000, "x") == ("", "\n" * 5000 + "x")
    assert read("<think>a", "\n" * 5000, "b</think>c") == ("a" + "\n" * 5000 + "b", "c")


def test_reasoning_streams_before_its_closing_tag() -> None:
    tags = ThinkTags()
    assert list(tags.feed("<think>one")) == [ReasoningDelta("one")]
    assert list(tags.feed(" two ")) == [ReasoningDelta(" two")]
    assert not tags.done
    assert tags.found
