"""Arguments in the notations of the templates: what is whole is read, a beginning is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from addons.core.protocols.canonical.call_arguments import (
    closing_tag,
    gemma_arguments,
    glm_arguments,
    kimi_arguments,
    python_calls,
    tagged_arguments,
)

SCHEMA = {"properties": {"a": {"type": "string"}, "n": {"type": "integer"}}}
QUOTE = '<|"|>'


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("{}", {}),
        (f"{{a:{QUOTE}x{QUOTE}}}", {"a": "x"}),
        (f'{{a:{QUOTE}}} ",{QUOTE}, n: 3}}', {"a": '} ",', "n": 3}),
        ('{"a":"x\\"y",n:-1.5}', {"a": 'x"y', "n": -1.5}),
        ("{a:<escape>x<escape>,b:true,c:null,d:False}", {"a": "x", "b": True, "c": None, "d": False}),
        (f"{{a:[1,{{b:{QUOTE}y{QUOTE}}},[]],{QUOTE}k k{QUOTE}:{{}}}}", {"a": [1, {"b": "y"}, []], "k k": {}}),
    ],
)  # fmt: skip
def test_gemma_object_is_read_only_whole(text: str, values: dict[str, Any]) -> None:
    found = gemma_arguments(f"x{text}behind", 1)
    assert found is not None
    assert (json.loads(found[0]), found[1]) == (values, len(text) + 1)
    assert [gemma_arguments(text[:end], 0) for end in range(len(text))] == [None] * len(text)


@pytest.mark.parametrize(
    "text", ["[1]", "{a}", "{a:}", "{a:x y}", "{:1}", "{a:word}", "{a:1 b:2}", "{a:[1 2]}", "{a:NaN}", "{" * 9999]
)  # fmt: skip
def test_other_text_is_no_gemma_object(text: str) -> None:
    assert gemma_arguments(text, 0) is None


ARGUMENT = '<|open|>argument key="{}" type="{}"<|sep|>{}<|close|>argument<|sep|>'
END = "<|close|>call<|sep|>"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (END, {}),
        (ARGUMENT.format("a", "string", " 3\n") + END, {"a": " 3\n"}),
        (ARGUMENT.format("a", "string", "x") + "\n" + ARGUMENT.format("n", "number", "3") + END, {"a": "x", "n": 3}),
        (ARGUMENT.format("x&amp;&quot;y", "object", '{"b":[true]}') + END, {'x&"y': {"b": [True]}}),
        ('<|open|>argument key="n"<|sep|>3<|close|>argument<|sep|>' + END, {"n": 3}),
        ('<|open|>json type="object"<|sep|>{"a":"x",}<|close|>json<|sep|>' + END, {"a": "x"}),
    ],
)  # fmt: skip
def test_kimi_arguments_are_read_only_whole(text: str, values: dict[str, Any]) -> None:
    found = kimi_arguments(text + "behind", 0, SCHEMA)
    assert found is not None
    assert (json.loads(found[0]), found[1]) == (values, len(text))
    assert [kimi_arguments(text[:end], 0, SCHEMA) for end in range(len(text))] == [None] * len(text)


def test_glm_arguments_end_before_the_closing_tag() -> None:
    text = "<arg_key>a</arg_key><arg_value>x</arg_value>\n</tool_call>"
    assert glm_arguments(text, 0, SCHEMA) == ('{"a": "x"}', text.index("</tool_call>"))
    assert glm_arguments(text[:-1], 0, SCHEMA) is None


@pytest.mark.parametrize(
    ("body", "values"),
    [
        ('<parameter name="a">x</parameter>', {"a": "x"}),
        ('< | DSML | | parameter name="n" string="false">3< / | DSML | | parameter>', {"n": 3}),
        ("]<]minimax[>[<a>x]<]minimax[>[</a>]<]minimax[>[<n>3]<]minimax[>[</n>]<]minimax[>[", {"a": "x", "n": 3}),
        ("]<]minimax[>[<b>x]<]minimax[>[</b>", None),
        ("<a>x</a>", None),
        ('<parameter name="a">x', None),
    ],
)  # fmt: skip
def test_tagged_arguments(body: str, values: dict[str, Any] | None) -> None:
    found = tagged_arguments(body, SCHEMA)
    assert (json.loads(found) if found is not None else None) == values


def test_closing_tag_may_have_spaces() -> None:
    assert closing_tag("a|") == r"<\s*/\s*a\|>"


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("[shell(a='x', n=3)]", [{"name": "shell", "arguments": {"a": "x", "n": 3}}]),
        ("gh.list(a=[{'b': None}])", [{"name": "gh.list", "arguments": {"a": [{"b": None}]}}]),
        ("[a(), b()]", [{"name": "a", "arguments": {}}, {"name": "b", "arguments": {}}]),
        ("[shell('x')]", None),
        ("[shell(**x)]", None),
        ("[shell(a=x)]", None),
        ("[shell(a={1})]", None),
        ("[shell(a=b'x')]", None),
        ("[shell(a='x']", None),
        ("[]", None),
        ("shell", None),
    ],
)
def test_python_calls(text: str, calls: list[object] | None) -> None:
    assert python_calls(text) == calls
