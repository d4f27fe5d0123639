"""No item of a history fails a turn, whatever it is: the request of each protocol is valid, and a prefix of the next."""

from __future__ import annotations

import pytest
from hypothesis import example, given

from addons.core.protocols.canonical.conversation import Conversation
from addons.core.protocols.chat.messages import CONTINUE
from addons.core.protocols.responses.request import read_request
from addons.core.protocols.responses.unknown_items import as_messages
from addons.core.upstream.profile import Profile
from tests.core.protocols.chat import test_request as chat
from tests.core.protocols.messages import test_request as messages
from tests.core.protocols.messages.samples import PROFILES
from tests.histories import PNG, Item, any_objects, disturbed, request_of
from tests.strict.chat import validate as validate_chat
from tests.strict.messages import validate as validate_messages

Pair = tuple[list[Item], list[Item]]


@pytest.mark.parametrize("profile", chat.PROFILES, ids=lambda one: one.name)
@given(disturbed())
def test_any_extra_item_gives_a_valid_chat_request(profile: Profile, pair: Pair) -> None:
    for items in pair:
        written = chat.translated(request_of(items), profile)
        assert validate_chat(written, **chat.rules(profile)) == []


@pytest.mark.parametrize("profile", PROFILES, ids=lambda one: one.name)
@given(disturbed())
def test_any_extra_item_gives_a_valid_messages_request(profile: Profile, pair: Pair) -> None:
    for items in pair:
        assert validate_messages(messages.translated(request_of(items), profile)) == []


@given(disturbed())
def test_any_extra_item_keeps_the_history_a_prefix(pair: Pair) -> None:
    before, after = (read_request(request_of(items), "here") for items in pair)
    assert isinstance(before, Conversation)
    assert isinstance(after, Conversation)
    assert after.items[: len(before.items)] == before.items
    assert after.tools[: len(before.tools)] == before.tools


USER = {"type": "message", "role": "user", "content": "go"}
SEARCH = {"type": "web_search_call", "id": "ws_1", "action": {"type": "search", "query": "x"}}
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "done"}


@example(([USER, SEARCH], [USER, SEARCH, CALL, OUTPUT]))
@given(disturbed())
def test_any_extra_item_keeps_the_chat_messages_a_prefix(pair: Pair) -> None:
    short, long = (chat.translated(request_of(items), chat.PROFILES[0]) for items in pair)
    if short["messages"][-1]["content"] == CONTINUE:
        # It stands for the user's next message, which the longer history has. What the model had said so far is one
        # message with the calls that follow it.
        short["messages"].pop()
        said = short["messages"].pop()
        longer = long["messages"][len(short["messages"])]
        assert {name: longer.get(name) for name in said} == said
    if short["messages"]:
        chat.assert_prefix(short["messages"], long["messages"])
    assert long["tools"][: len(short["tools"])] == short["tools"]


@pytest.mark.parametrize(
    ("item", "written"),
    [
        (
            {"type": "agent_message", "author": "a", "recipient": "b", "content": "go"},
            [("user", [{"type": "input_text", "text": "[message from the agent a to b]\ngo"}])],
        ),
        (
            {"type": "x", "content": [{"type": "input_image", "image_url": PNG}]},
            [
                (
                    "user",
                    [
                        {"type": "input_text", "text": "[x]\n"},
                        {"type": "input_image", "image_url": PNG, "detail": "auto"},
                    ],
                )
            ],
        ),
        (
            {"type": "x_call", "input": "go"},
            [("assistant", [{"type": "output_text", "text": "[x_call]\ngo"}])],
        ),
        (
            {"type": "x", "role": "system", "content": "go"},
            [("developer", [{"type": "input_text", "text": "[x]\ngo"}])],
        ),
        ({"type": "configuration_update", "effort": "high"}, []),
    ],
)
def test_native_form_of_an_unknown_item_is_a_message(
    item: Item, written: list[tuple[str, object]]
) -> None:
    assert as_messages(item) == [
        {"type": "message", "role": role, "content": content} for role, content in written
    ]


@given(any_objects())
def test_any_object_becomes_messages(item: Item) -> None:
    assert {one["type"] for one in as_messages(item)} <= {"message"}
