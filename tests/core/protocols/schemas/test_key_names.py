from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.canonical.argument_repair import ArgumentStream
from addons.core.protocols.canonical.conversation import Call, Conversation, Tool, User
from addons.core.protocols.canonical.events import CallKind
from addons.core.protocols.schemas.clean import argument_stream, key_names, with_sent_names
from addons.core.protocols.schemas.key_names import NO_NAMES, sent_name
from tests.core.protocols.schemas.samples import Json

SCHEMA: Json = {
    "type": "object",
    "properties": {"$top": {"type": "integer"}, "a": {"items": {"properties": {"filter[x]": {}}}}},
    "required": ["$top"],
}
LIST = Tool("list", "list", None, CallKind.FUNCTION, "Lists.", SCHEMA)
NAMES = key_names(SCHEMA)
TOP, FILTER = sent_name("$top"), sent_name("filter[x]")


@given(st.text(max_size=90))
def test_every_name_becomes_legal_and_its_own(name: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9_.-]{1,64}", sent_name(name))
    assert sent_name(sent_name(name)) == sent_name(name)
    assert sent_name(f"{name}$") != sent_name(f"{name}%")


def test_legal_names_stay() -> None:
    assert sent_name("a.b-c_1") == "a.b-c_1"
    assert key_names({"properties": {"a": {"properties": {"b": {}}}}}) is NO_NAMES
    assert sent_name("required") != "required"


def test_nested_names_are_known() -> None:
    assert NAMES.sent == {"$top": TOP, "filter[x]": FILTER}


def test_only_keys_are_renamed() -> None:
    given_ = '{"$top" : 1.50, "a": ["$top", {"filter[x]":"\\"$top\\": 1"}], "n": 12345678901234567890123}'
    sent = NAMES.to_sent(given_)
    assert sent == given_.replace('"$top" :', f'"{TOP}" :').replace('"filter[x]":', f'"{FILTER}":')
    assert NAMES.to_original(sent) == given_
    assert NAMES.to_sent('{"$top": 1') == '{"$top": 1'
    assert NAMES.value_to_sent({"$top": 1}) == {TOP: 1}
    assert NAMES.value_to_sent("$top") == "$top"


@given(
    st.dictionaries(
        st.sampled_from(["$top", "a", "filter[x]", "top"]), st.text() | st.integers(), max_size=4
    )
)
def test_arguments_come_back(arguments: dict[str, str | int]) -> None:
    text = json.dumps(arguments)
    assert NAMES.to_original(NAMES.to_sent(text)) == text


@pytest.mark.parametrize("size", [1, 3, 100])
def test_streamed_arguments_come_with_their_own_names(size: int) -> None:
    text = f'{{"{TOP}": 5, "a": [{{"{FILTER}": "x"}}]}}'
    stream = argument_stream(LIST)
    assert "".join(stream.feed(text[at : at + size]) for at in range(0, len(text), size)) == ""
    rest, is_complete = stream.finish(text, SCHEMA)
    assert (json.loads(rest), is_complete) == ({"$top": 5, "a": [{"filter[x]": "x"}]}, True)


def test_missing_last_brace_is_added_to_renamed_arguments() -> None:
    stream = argument_stream(LIST)
    assert stream.finish(f'{{"{TOP}": "5"', SCHEMA) == ('{"$top": "5"}', True)
    assert argument_stream(LIST).finish('{"x": ', SCHEMA) == ('{"x": ', False)


def test_own_names_that_the_model_uses_stay() -> None:
    assert argument_stream(LIST).finish('{"$top": 1}', SCHEMA) == ('{"$top": 1}', True)


def test_other_tools_stream() -> None:
    assert type(argument_stream(replace(LIST, schema={}))) is ArgumentStream
    assert type(argument_stream(None)) is ArgumentStream


def test_earlier_calls_get_the_names_upstream() -> None:
    calls = (
        User(()),
        Call("1", "list", '{"$top": 1}'),
        Call("2", "other", '{"$top": 1}'),
        Call("3", "list", "{"),
    )
    sent = with_sent_names(Conversation(calls, (LIST,))).items
    assert sent == (calls[0], Call("1", "list", f'{{"{TOP}": 1}}'), *calls[2:])
    plain = Conversation(calls, (replace(LIST, schema={}),))
    assert with_sent_names(plain) is plain
