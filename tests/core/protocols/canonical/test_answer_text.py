"""The text of an answer as it streams: what passes at once, what is held, and what it becomes."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.canonical import answer_text
from addons.core.protocols.canonical.answer_text import AnswerText
from addons.core.protocols.canonical.conversation import (
    Conversation,
    TextFormat,
    Tool,
    ToolChoice,
)
from addons.core.protocols.canonical.events import (
    CallKind,
    TextDelta,
    TextDone,
)
from addons.core.protocols.canonical.leaked_calls import LeakedCall

SCHEMA = {"type": "object", "properties": {"command": {"type": "string"}}}
TOOLS = tuple(Tool(name, name, None, CallKind.FUNCTION, "", SCHEMA) for name in ("shell", "read"))
ARGUMENTS = json.dumps({"command": "ls"})
CALL = f'<tool_call>\n{{"name": "shell", "arguments": {ARGUMENTS}}}\n</tool_call>'
RUN = ("call", "shell", ARGUMENTS)


def new(**fields: Any) -> AnswerText:
    return AnswerText(Conversation((), **{"tools": TOOLS, **fields}))


def joined(parts: list[answer_text.Part]) -> list[tuple[str, ...]]:
    """Return the parts, with neighbouring text and reasoning joined."""
    out: list[tuple[str, ...]] = []
    for part in parts:
        if isinstance(part, LeakedCall):
            out.append(("call", part.name, part.arguments))
        elif isinstance(part, TextDone):
            out.append(("done",))
        else:
            kind = "text" if isinstance(part, TextDelta) else "reasoning"
            before = out.pop()[1] if out and out[-1][0] == kind else ""
            out.append((kind, before + part.text))
    return out


def read(*pieces: str, takes_calls: bool = True, **fields: Any) -> list[tuple[str, ...]]:
    answer = new(**fields)
    parts = [part for piece in pieces for part in answer.feed(piece)]
    return joined([*parts, *answer.finish(takes_calls=takes_calls)])


CASES: list[tuple[str, list[tuple[str, ...]]]] = [
    (f"On it.\n{CALL}", [("text", "On it.\n"), RUN]),
    (f"On it. {CALL}\n", [("text", "On it. "), RUN]),
    (f"{CALL}\n{CALL.replace('shell', 'read')}", [RUN, ("call", "read", ARGUMENTS)]),
    (f"{CALL}\n\nDone.", [RUN, ("text", "Done.")]),
    (f"<think>hm</think>\n{CALL}", [("reasoning", "hm"), RUN]),
    (f"<think>{CALL}</think>hi", [("reasoning", CALL), ("text", "hi")]),
    (f"<think>{CALL}", [("reasoning", CALL)]),
    (f"```xml\n{CALL}\n```\nas above", [("text", f"```xml\n{CALL}\n```\nas above")]),
    (f"~~~\n{CALL}\n~~~\n", [("text", f"~~~\n{CALL}\n~~~\n")]),
    (f"```\nx\n```\n{CALL}", [("text", "```\nx\n```\n"), RUN]),
    (f"Write `{CALL}` there", [("text", f"Write `{CALL}` there")]),
    (f"The text {CALL} would run it", [("text", f"The text {CALL} would run it")]),
    (CALL.replace("shell", "nobody"), [("text", CALL.replace("shell", "nobody"))]),
    (CALL[:50], [("text", CALL[:50])]),
    ("a <tool_call> tag, a <b>, a [link](x) and [TOOL", [("text", "a <tool_call> tag, a <b>, a [link](x) and [TOOL")]),
    (f'{{"name": "shell", "arguments": {ARGUMENTS}}}', [RUN]),
    (f'```json\n{{"name": "shell", "arguments": {ARGUMENTS}}}\n```', [("text", f'```json\n{{"name": "shell", "arguments": {ARGUMENTS}}}\n```')]),
    ('{"name": "shell", "arguments": {"x": 1}}', [("text", '{"name": "shell", "arguments": {"x": 1}}')]),
    ('{"name": "Ann", "age": 3}', [("text", '{"name": "Ann", "age": 3}')]),
    ('{"answer": "<tool_call>"}', [("text", '{"answer": "<tool_call>"}')]),
    ("the </think> tag", [("text", "the </think> tag")]),
    ("<think>a</think>b </think>\nc", [("reasoning", "a"), ("text", "b </think>\nc")]),
    ("hi <think>x</think>\ny", [("text", "hi <think>x</think>\ny")]),
    ("  \n", [("text", "  \n")]),
    ("", []),
    ("hi<|im_end|>\n", [("text", "hi")]),
    ("<|im_end|></s>", []),
    ("The token is </s>", [("text", "The token is </s>")]),
    ("Not <s>this</s>", [("text", "Not <s>this</s>")]),
    ("Done. </s>", [("text", "Done. ")]),
    ("`</s>` ends `</s>", [("text", "`</s>` ends `</s>")]),
    ("```\nx</s>", [("text", "```\nx</s>")]),
    ("a<|im_end|><|im_end|>b", [("text", "a<|im_end|><|im_end|>b")]),
    ("a<|im_end|><|im_", [("text", "a<|im_end|><|im_")]),
    (f"Look.<|im_end|>\n{CALL}</s>", [("text", "Look."), RUN]),
    ("Look.<|im_end|><tool_call> x", [("text", "Look.<tool_call> x")]),
    (f'{{"name": "shell", "arguments": {ARGUMENTS}}}<|im_end|>', [RUN]),
    ('{"a": 1}<|im_end|>', [("text", '{"a": 1}')]),
    ("so <|begin_of_box|>4<|end_of_box|>!", [("text", "so 4!")]),
    ("<|begin_of_box|>{}<|end_of_box|>", [("text", "{}")]),
    ("the <|begin_of_box|> and <|end_of_box|> tags", [("text", "the <|begin_of_box|> and <|end_of_box|> tags")]),
    ("ends in <|begin_of_box|>", [("text", "ends in <|begin_of_box|>")]),
    (f'<tool_call>{CALL[12:-13]}\n{CALL[12:-13].replace("shell", "read")}</tool_call>', [RUN, ("call", "read", ARGUMENTS)]),
    (f"<|python_tag|>{CALL[12:-13]}; {CALL[12:-13]}<|eom_id|>", [RUN, RUN]),
    (f'{CALL}{{"a": 1}}', [RUN, ("text", '{"a": 1}')]),
    ("Look.\n<tool_call>\n", [("text", "Look.\n")]),
    ("It is <tool_call>", [("text", "It is <tool_call>")]),
    (f"{CALL}; done", [RUN, ("text", "; done")]),
    ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>commentary<|message|>b<|end|><|start|>assistant<|channel|>analysis<|message|>c<|end|><|start|>assistant<|channel|>final<|message|>d<|return|>",
     [("reasoning", "a"), ("text", "b"), ("done",), ("reasoning", "c"), ("text", "d")]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "parts"), CASES)
def test_text_is_separated_into_its_parts(text: str, parts: list[tuple[str, ...]]) -> None:
    assert read(text) == parts


@given(st.sampled_from([text for text, _ in CASES]), st.lists(st.integers(0, 120), max_size=12))
def test_any_split_gives_the_same_parts(text: str, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    assert read(*(text[a:b] for a, b in itertools.pairwise(edges))) == read(text)


@given(
    st.lists(
        st.sampled_from(
            [
                "<",
                "tool_call>",
                "</think>",
                "x ",
                "\n",
                "`",
                "[",
                "{",
                '"name"',
                "<function=",
                "shell",
                ">",
            ]
        ),
        max_size=14,
    )
)
def test_text_without_a_call_is_passed_on_unchanged(words: list[str]) -> None:
    text = "x" + "".join(words)
    parts = read(*text, tools=())
    if ("done",) not in parts:
        assert "".join(part[1] for part in parts) == text


@pytest.mark.parametrize(("text", "parts"), CASES)
def test_each_split_in_two_gives_the_same_parts(text: str, parts: list[tuple[str, ...]]) -> None:
    for cut in range(1, len(text)):
        assert read(text[:cut], text[cut:]) == parts, text[:cut]


@pytest.mark.parametrize("text", ["<tool_call> x ", "a <function=b> ", "<|im_end|>a", "{CALL}"])
def test_many_markers_in_one_piece_are_read(text: str) -> None:
    content = text.replace("{CALL}", CALL) * 1500
    parts = read(content)
    if "{" in text:
        assert parts == [RUN] * 1500
    else:
        assert "".join(part[1] for part in parts) == content


def test_repeated_end_tokens_are_not_kept() -> None:
    answer = new()
    parts = [part for _ in range(2000) for part in answer.feed("<|EOT|>\n")]
    assert sum(map(len, answer._held)) <= answer_text.MAX_ENDING
    assert joined([*parts, *answer.finish()]) == []


def test_text_streams_up_to_a_marker() -> None:
    answer = new()
    assert list(answer.feed("Let me see.\n")) == [TextDelta("Let me see.\n")]
    assert answer.plain
    assert answer.passes("more")
    assert not answer.passes("a < b")
    assert list(answer.feed("a <b> c <tool")) == [TextDelta("a <b> c ")]
    assert not answer.plain
    assert list(answer.feed("s> d")) == [TextDelta("<tools> d")]
    assert answer.plain


def test_call_is_passed_on_before_the_answer_ends() -> None:
    answer = new()
    parts = [part for letter in CALL for part in answer.feed(letter)]
    assert parts == [LeakedCall("shell", ARGUMENTS)]


@pytest.mark.parametrize(
    "fields",
    [{"tools": ()}, {"choice": ToolChoice("none")}, {"wants_compaction": True}],
)
def test_nothing_is_a_call_where_none_is_wanted(fields: dict[str, Any]) -> None:
    assert read(*CALL, **fields) == [("text", CALL)]


def test_structured_answer_streams() -> None:
    answer = new(text_format=TextFormat("json_object"))
    assert list(answer.feed('{"name": ')) == [TextDelta('{"name": ')]


def test_truncated_answer_has_no_call_of_its_own() -> None:
    held = CALL.removesuffix("}\n</tool_call>")
    assert read(held, takes_calls=False) == [("text", held)]


def test_closing_tag_alone_ends_the_first_message() -> None:
    parts = read("Okay,", " so.\n", "</think>", "\n\nhi", " there")
    assert parts == [("text", "Okay, so.\n"), ("done",), ("text", "hi there")]
    assert read("Okay, so.\n</think>\n\nhi") == [("reasoning", "Okay, so."), ("text", "hi")]
    kimi = "a<|close|>think<|sep|><|open|>response<|sep|>b<|close|>response<|sep|>"
    assert read(kimi) == [("reasoning", "a"), ("text", "b")]
    assert read(*kimi) == [("text", "a"), ("done",), ("text", "b")]


def test_closing_tag_is_text_where_the_upstream_separates_reasoning() -> None:
    answer = new()
    answer.note_reasoning()
    parts = [part for piece in ("a", "\n</think>\n", "b") for part in answer.feed(piece)]
    assert joined([*parts, *answer.finish()]) == [("text", "a\n</think>\nb")]


def test_held_text_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_text, "MAX_HELD", 300)
    answer = new()
    start = '<tool_call>{"name": "shell", "arguments": {"command": "'
    parts = [part for piece in (start, *["x" * 50] * 8) for part in answer.feed(piece)]
    assert joined(parts) == [("text", start + "x" * 400)]
