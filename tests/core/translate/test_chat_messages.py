from __future__ import annotations

from typing import Any

import pytest

from addons.core.target import Profile
from addons.core.translate.chat_messages import messages_of
from addons.core.translate.conversation import (
    Assistant,
    Call,
    Image,
    Item,
    Output,
    Reasoning,
    System,
    Text,
    User,
)
from addons.core.translate.events import CallKind
from addons.core.translate.grouping import NO_OUTPUT
from addons.core.translate.replay import seal
from tests.core.wire.chat_streams import target

PICTURE = Image("data:image/png;base64,AA==", "high")
SHOWN = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "high"}}
LINEAGE = target().lineage


def messages(*items: Item, profile: Profile | None = None, **fields: Any) -> list[Any]:
    return messages_of(items, target(profile, **fields))


def call(call_id: str, arguments: str = "{}", kind: CallKind = CallKind.FUNCTION) -> Call:
    return Call(call_id, "read", arguments, kind)


def output(call_id: str, *parts: Any) -> Output:
    return Output(call_id, parts or (Text(f"out {call_id}"),))


def called(call_id: str, arguments: str = "{}") -> dict[str, Any]:
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": "read", "arguments": arguments},
    }


def sealed(value: object) -> Reasoning:
    return Reasoning("shown", seal(LINEAGE, {"reasoning": value}))


def test_parallel_calls_are_one_message_and_their_outputs() -> None:
    said = messages(Assistant("I look."), call("a"), call("b"), output("a"), output("b"))
    assert said == [
        {"role": "assistant", "content": "I look.", "tool_calls": [called("a"), called("b")]},
        {"role": "tool", "tool_call_id": "a", "content": "out a"},
        {"role": "tool", "tool_call_id": "b", "content": "out b"},
    ]


def test_text_between_a_call_and_its_output_is_kept_before_it() -> None:
    said = messages(call("a"), Assistant("Done soon."), output("a"))
    assert said[0] == {"role": "assistant", "content": "Done soon.", "tool_calls": [called("a")]}
    assert said[1]["role"] == "tool"


def test_a_call_without_output_is_answered() -> None:
    said = messages(call("a"), User((Text("stop"),)))
    assert said[1] == {"role": "tool", "tool_call_id": "a", "content": NO_OUTPUT}


def test_a_stray_output_is_told() -> None:
    said = messages(output("lost"))
    assert said[0]["role"] == "user"
    assert "lost" in said[0]["content"]
    assert "out lost" in said[0]["content"]


def test_an_output_of_nothing_says_so() -> None:
    assert messages(call("a"), Output("a", ()))[1]["content"] == "[no output]"


@pytest.mark.parametrize(("way", "content"), [("null", None), ("empty", "")])
def test_a_message_of_calls_alone(way: Any, content: object) -> None:
    said = messages(call("a"), profile=Profile(empty_content=way))
    assert said[0]["content"] == content
    assert "content" in said[0]


def test_a_message_of_calls_alone_may_leave_content_out() -> None:
    assert "content" not in messages(call("a"), profile=Profile(empty_content="omit"))[0]


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ("", "{}"),
        ("{not json", '{"invalid_arguments":"{not json"}'),
        ("[1]", '{"invalid_arguments":"[1]"}'),
    ],
)
def test_arguments_are_always_an_object(arguments: str, sent: str) -> None:
    assert messages(call("a", arguments))[0]["tool_calls"] == [called("a", sent)]


def test_a_custom_call_is_wrapped_again() -> None:
    said = messages(call("a", '*** "Begin"\n', CallKind.CUSTOM))
    assert said[0]["tool_calls"] == [called("a", '{"input":"*** \\"Begin\\"\\n"}')]


def test_a_user_s_image_stays_in_its_place() -> None:
    parts = (Text("before"), PICTURE, Text("after"))
    assert messages(User(parts))[0]["content"] == [
        {"type": "text", "text": "before"},
        SHOWN,
        {"type": "text", "text": "after"},
    ]


def test_texts_are_one_string_for_those_who_take_no_parts() -> None:
    assert messages(User((Text("a"), Text("b"))))[0]["content"] == "a\nb"


def test_an_image_that_cannot_be_sent_leaves_a_note() -> None:
    said = messages(User((Text("see"), PICTURE)), images=False)
    assert said[0]["content"] == "see\n[image omitted: glm-5 takes no images]"
    tool = messages(call("a"), output("a", PICTURE), images=False)
    assert [message["role"] for message in tool] == ["assistant", "tool"]
    assert tool[1]["content"] == "[image omitted: glm-5 takes no images]"


def test_images_of_tools_follow_all_tool_messages() -> None:
    said = messages(call("a"), call("b"), output("a", PICTURE), output("b"), User((Text("go"),)))
    assert [message["role"] for message in said] == ["assistant", "tool", "tool", "user", "user"]
    assert said[1]["content"] == "[the image is in the user message after the tool results]"
    assert said[3]["content"] == [{"type": "text", "text": "[images from tool call a]"}, SHOWN]


def test_images_stay_in_the_tool_message_where_that_is_known() -> None:
    said = messages(call("a"), output("a", PICTURE), profile=Profile(tool_images=True))
    assert said[1]["content"] == [SHOWN]
    assert len(said) == 2


def test_the_system_role_is_the_profile_s() -> None:
    assert messages(System("s"), profile=Profile(system_role="developer"))[0]["role"] == "developer"


def test_only_the_first_message_is_a_system_message_where_templates_demand_it() -> None:
    items = (System("a"), System("b"), User((Text("c"),)), System("d"))
    strict = messages(*items, profile=Profile(leading_system_only=True))
    assert [message["role"] for message in strict] == ["system", "user", "user", "user"]
    assert [message["role"] for message in messages(*items)] == ["system", "system", "user", "system"]  # fmt: skip


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_goes_back_where_it_is_wanted(field: Any) -> None:
    profile = Profile(replay_field=field)
    said = messages(sealed("all of it"), call("a"), profile=profile)
    assert said[0][field] == "all of it"
    assert field not in messages(sealed("all of it"), call("a"))[0]


def test_reasoning_without_a_blob_goes_back_as_it_was_shown() -> None:
    profile = Profile(replay_field="reasoning_content")
    assert messages(Reasoning("shown"), call("a"), profile=profile)[0]["reasoning_content"] == "shown"  # fmt: skip
    assert messages(call("a"), profile=profile)[0]["reasoning_content"] == ""
    assert "reasoning_content" not in messages(Assistant("x"), profile=profile)[0]


def test_a_blob_of_another_lineage_does_not_go_back() -> None:
    foreign = Reasoning("shown", seal("chat:elsewhere", {"reasoning": "secret"}))
    profile = Profile(replay_field="reasoning_content")
    assert messages(foreign, call("a"), profile=profile)[0]["reasoning_content"] == "shown"


def test_reasoning_details_go_back_as_they_came() -> None:
    first, second = {"type": "reasoning.text", "text": "a"}, {"type": "reasoning.encrypted"}
    said = messages(
        sealed([first]), sealed([second]), call("a"), profile=Profile(replay_field="reasoning_details")
    )  # fmt: skip
    assert said[0]["reasoning_details"] == [first, second]
    none = messages(Reasoning("x"), call("a"), profile=Profile(replay_field="reasoning_details"))
    assert "reasoning_details" not in none[0]


def test_what_hung_on_a_call_goes_back_with_it() -> None:
    extra = {"google": {"thought_signature": "s"}}
    signed = Reasoning("", seal(LINEAGE, {"calls": {"b": extra}}))
    for items in ((signed, call("a"), call("b")), (call("a"), call("b"), signed)):
        first, second = messages(*items)[0]["tool_calls"]
        assert first == called("a")
        assert second == {**called("b"), "extra_content": extra}


def test_thinking_alone_is_no_message() -> None:
    said = messages(Reasoning("hm"), User((Text("go"),)), profile=Profile(replay_field="reasoning"))
    assert said == [{"role": "user", "content": "go"}]


def test_a_message_of_nothing_is_none() -> None:
    assert messages(User(())) == []
