"""Arguments of tool calls: what is repaired, what stays as it is, and that streamed arguments are a prefix of both."""

from __future__ import annotations

import itertools
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.canonical.argument_repair import ArgumentStream, repair_arguments

SCHEMA = {"properties": {"path": {"type": "string"}}, "required": ["path"]}
REPAIRED = [
    ('{"path":"a\nb\tc"}', {"path": "a\nb\tc"}),
    ('{"path":"a",}', {"path": "a"}),
    ('{"path":["a",],}', {"path": ["a"]}),
    ('```json\n{"path":"a"}\n```', {"path": "a"}),
    ('```\n{"path":"a",}```', {"path": "a"}),
    ('{"path":"a"}{"path":"a"}', {"path": "a"}),
    ('{"path":"a"}\n{ "path" : "a" }', {"path": "a"}),
    ('{}{"path":"a"}', {"path": "a"}),
    ('{"path":"a"}{}', {"path": "a"}),
    ("{'path': 'it\\'s \"b\"', 'x': True, 'y': None, 'z': False}", {"path": "it's \"b\"", "x": True, "y": None, "z": False}),
    ("{'path': '\\x41'}", {"path": "A"}),
    ('{path: "a", n-1: [1,2]}', {"path": "a", "n-1": [1, 2]}),
    ('{"path":"a"', {"path": "a"}),
    ('{"path":"a","b":[1,2]', {"path": "a", "b": [1, 2]}),
    ('{"path":"a"}}', {"path": "a"}),
    ('{"path":"a"}</tool_call>', {"path": "a"}),
    ('{"path":"a"}<|tool_call_end|>', {"path": "a"}),
    ('{"path": "a",\\n"b": 1\\n}', {"path": "a", "b": 1}),
    ('{"path":"a" // the file\n, /* not\nneeded */ "b":2}', {"path": "a", "b": 2}),
    ('"{\\"path\\":\\"a\\"}"', {"path": "a"}),
    ('"\\"{\\\\\\"path\\\\\\":\\\\\\"a\\\\\\"}\\""', {"path": "a"}),
    ('"{\\"path\\":\\"a\\",}"', {"path": "a"}),
    ("null", {}), (" None\n", {}), ('""', {}), ("  ", {}),
]  # fmt: skip
UNCERTAIN = [
    '{"path":"a"}{"path":"b"}',
    '{"path":"say "hi""}',
    '{"path":"a "b", "c": "d"}',
    '{"path": "a", description": "b"}',
    '{"path":"\\d"}',
    '{"path":"\\\ub85c"}',
    '{"path":"C:\\dir"}',
    '{"path":a}',
    '{"path":"a" "b":1}',
    '{"path":"a",,}',
    '{"path":"a","path":\'b\'}',
    '{"path":"a"} and more',
    '{"path":"a',
    '{"path":"a",',
    '{"path":',
    '{"path":1',
    '{"path":"a","b":{"c":1}, "d":[1',
    '{"other":"a"',
    '{"path":NaN}',
    '{"path":01}',
    '["a"]',
    "12",
    "true",
    "*** Begin Patch",
    '{"a":' * 80,
]


@pytest.mark.parametrize(("text", "value"), REPAIRED)
def test_certain_meaning_is_repaired(text: str, value: object) -> None:
    repaired = repair_arguments(text, SCHEMA)
    assert repaired is not None
    assert orjson.loads(repaired) == value


@pytest.mark.parametrize("text", UNCERTAIN)
def test_uncertain_meaning_is_not_repaired(text: str) -> None:
    assert repair_arguments(text, SCHEMA) is None


def test_missing_brace_needs_a_schema() -> None:
    assert repair_arguments('{"path":"a"') is None


def test_valid_arguments_are_unchanged() -> None:
    text = '{ "b":1e2,"a" : "\\u00e9\\n"}\n'
    assert repair_arguments(text) == text


def pieces(text: str, cuts: list[int]) -> list[str]:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(edges)]


def streamed(text: str, cuts: list[int]) -> tuple[str, str, bool]:
    stream = ArgumentStream()
    passed = "".join(stream.feed(piece) for piece in pieces(text, cuts))
    return (passed, *stream.finish(text, SCHEMA))


CUTS = st.lists(st.integers(0, 60), max_size=12)


@given(st.sampled_from([text for text, _ in REPAIRED]), CUTS)
def test_streamed_arguments_join_to_the_repaired_ones(text: str, cuts: list[int]) -> None:
    passed, rest, is_complete = streamed(text, cuts)
    assert is_complete
    assert passed + rest == repair_arguments(text, SCHEMA)


@given(st.sampled_from(UNCERTAIN), CUTS)
def test_streamed_arguments_join_to_what_was_written(text: str, cuts: list[int]) -> None:
    passed, rest, is_complete = streamed(text, cuts)
    assert not is_complete
    assert passed + rest == text


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 10**6) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(st.text(max_size=4), VALUES, min_size=1, max_size=4), st.booleans(), CUTS)
def test_json_streams_as_it_comes(value: object, pretty: bool, cuts: list[int]) -> None:
    text = json.dumps(value, indent=2 if pretty else None)
    passed, rest, is_complete = streamed(text, cuts)
    assert (passed, rest, is_complete) == (text, "", True)


@given(st.dictionaries(st.sampled_from(["a", "b\nc", "d'e"]), VALUES, min_size=1))
def test_python_text_means_its_value(value: dict[str, object]) -> None:
    repaired = repair_arguments(repr(value))
    assert repaired is None or orjson.loads(repaired) == value


@given(st.text(alphabet="{}[]\",:\\'naTru1 \n`/*", max_size=24))
def test_any_text_is_repaired_to_an_object_or_not_at_all(text: str) -> None:
    repaired = repair_arguments(text, SCHEMA)
    assert repaired is None or isinstance(orjson.loads(repaired), dict)
