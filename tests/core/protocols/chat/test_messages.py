from __future__ import annotations

from typing import Any

import pytest

from addons.core.protocols.canonical.conversation import (
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
from addons.core.protocols.canonical.events import CallKind
from addons.core.protocols.canonical.opaque_reasoning import wrap
from addons.core.protocols.canonical.turns import NO_OUTPUT
from addons.core.protocols.chat.messages import NO_ANSWER, write_messages
from addons.core.upstream.profile import Profile
from tests.core.protocols.chat.streams import target

PICTURE = Image("data:image/png;base64,AA==", "high")
SHOWN = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "high"}}
SCOPE = target().reasoning_scope


def messages(*items: Item, profile: Profile | None = None, **fields: Any) -> list[Any]:
    return write_messages(items, target(profile, **fields))


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


def wrapped(value: object) -> Reasoning:
    return Reasoning("shown", wrap(SCOPE, {"reasoning": value}))


def test_parallel_calls_are_one_message_and_their_outputs() -> None:
    sent = messages(Assistant("I look."), call("a"), call("b"), output("a"), output("b"))
    assert sent == [
        {"role": "assistant", "content": "I look.", "tool_calls": [called("a"), called("b")]},
        {"role": "tool", "tool_call_id": "a", "content": "out a"},
        {"role": "tool", "tool_call_id": "b", "content": "out b"},
    ]


def test_text_between_a_call_and_its_output_precedes_the_output() -> None:
    sent = messages(call("a"), Assistant("Done soon."), output("a"))
    assert sent[0] == {"role": "assistant", "content": "Done soon.", "tool_calls": [called("a")]}
    assert sent[1]["role"] == "tool"


def test_call_without_output_is_answered() -> None:
    sent = messages(call("a"), User((Text("stop"),)))
    assert sent[1] == {"role": "tool", "tool_call_id": "a", "content": NO_OUTPUT}


def test_stray_output_is_user_text() -> None:
    sent = messages(output("lost"))
    assert sent[0]["role"] == "user"
    assert "lost" in sent[0]["content"]
    assert "out lost" in sent[0]["content"]


def test_empty_output_has_a_placeholder() -> None:
    assert messages(call("a"), Output("a", ()))[1]["content"] == "[no output]"


@pytest.mark.parametrize(("way", "content"), [("null", None), ("empty", "")])
def test_content_of_a_message_with_only_calls(way: Any, content: object) -> None:
    sent = messages(call("a"), profile=Profile(empty_content=way))
    assert sent[0]["content"] == content
    assert "content" in sent[0]


def test_content_of_a_message_with_only_calls_can_be_omitted() -> None:
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


def test_custom_call_is_wrapped() -> None:
    sent = messages(call("a", '*** "Begin"\n', CallKind.CUSTOM))
    assert sent[0]["tool_calls"] == [called("a", '{"input":"*** \\"Begin\\"\\n"}')]


def test_image_of_a_user_keeps_its_position() -> None:
    parts = (Text("before"), PICTURE, Text("after"))
    assert messages(User(parts))[0]["content"] == [
        {"type": "text", "text": "before"},
        SHOWN,
        {"type": "text", "text": "after"},
    ]


def test_texts_are_joined_into_one_string() -> None:
    assert messages(User((Text("a"), Text("b"))))[0]["content"] == "a\nb"


def test_omitted_image_leaves_a_note() -> None:
    sent = messages(User((Text("see"), PICTURE)), images=False)
    assert sent[0]["content"] == "see\n[image omitted: glm-5 takes no images]"
    tool = messages(call("a"), output("a", PICTURE), images=False)
    assert [message["role"] for message in tool] == ["assistant", "tool"]
    assert tool[1]["content"] == "[image omitted: glm-5 takes no images]"


def test_images_of_tools_follow_all_tool_messages() -> None:
    sent = messages(call("a"), call("b"), output("a", PICTURE), output("b"), User((Text("go"),)))
    assert [message["role"] for message in sent] == ["assistant", "tool", "tool", "user"]
    assert sent[1]["content"] == "[the image is in the user message after the tool results]"
    assert sent[3]["content"] == [
        {"type": "text", "text": "[images from tool call a]"},
        SHOWN,
        {"type": "text", "text": "go"},
    ]


def test_images_stay_in_the_tool_message_if_the_profile_allows_it() -> None:
    sent = messages(call("a"), output("a", PICTURE), profile=Profile(tool_images=True))
    assert sent[1]["content"] == [SHOWN]
    assert len(sent) == 2


def test_system_role_is_that_of_the_profile() -> None:
    assert messages(System("s"), profile=Profile(system_role="developer"))[0]["role"] == "developer"


def test_leading_system_messages_are_one() -> None:
    sent = messages(System("a"), System("b"), User((Text("c"),)))
    assert sent == [{"role": "system", "content": "a\n\nb"}, {"role": "user", "content": "c"}]


def test_later_system_message_is_a_user_message_in_place() -> None:
    items = (System("a"), User((Text("b"),)), Assistant("c"), System("d"), Assistant("e"))
    assert [(one["role"], one["content"]) for one in messages(*items)] == [
        ("system", "a"),
        ("user", "b"),
        ("assistant", "c"),
        ("user", "d"),
        ("assistant", "e"),
        ("user", "[continue]"),
    ]


def test_history_does_not_end_with_an_answer() -> None:
    sent = messages(User((Text("a"),)), Assistant("b"))
    assert sent[-1] == {"role": "user", "content": "[continue]"}
    after_tool = messages(User((Text("a"),)), call("a"), output("a"))
    assert after_tool[-1]["role"] == "tool"


def test_consecutive_user_messages_are_one() -> None:
    sent = messages(User((Text("a"), Text("b"))), System("c"), User((Text("d"),)), Assistant("e"))
    assert [one["role"] for one in sent] == ["user", "assistant", "user"]
    assert sent[0]["content"] == "a\nb\n\nc\n\nd"


def test_user_messages_are_one_across_an_answer_that_is_not_sent() -> None:
    sent = messages(User((Text("a"),)), Reasoning("hm"), User((PICTURE,)))
    assert [one["content"] for one in sent] == [[{"type": "text", "text": "a"}, SHOWN]]


def test_messages_before_the_last_do_not_change_when_the_history_grows() -> None:
    history: list[Item] = [System("s"), User((Text("a"),)), call("1"), output("1", PICTURE)]
    later: list[Item] = [User((Text("b"),)), System("c"), Assistant("d"), User((Text("e"),))]
    before = messages(*history)
    for count in range(1, len(later) + 1):
        after = messages(*history, *later[:count])
        assert after[: len(before) - 1] == before[:-1]
        assert after[len(before) - 1]["content"][: len(before[-1]["content"])] == before[-1]["content"]  # fmt: skip


MISTRAL = Profile(user_after_tool=False)
FILLER = {"role": "assistant", "content": NO_ANSWER}


def test_user_behind_a_tool_message_is_separated_by_an_answer() -> None:
    history = (call("a"), output("a"))
    interrupted = messages(*history, User((Text("go"),)), profile=MISTRAL)
    assert interrupted[2:] == [FILLER, {"role": "user", "content": "go"}]
    assert messages(*history, profile=MISTRAL) == interrupted[:2]
    assert [one["role"] for one in messages(*history, User((Text("go"),)))] == ["assistant", "tool", "user"]  # fmt: skip


def test_system_and_images_behind_a_tool_message_are_separated_too() -> None:
    instructed = messages(call("a"), output("a"), System("now"), profile=MISTRAL)
    assert [one["role"] for one in instructed] == ["assistant", "tool", "assistant", "user"]
    seen = messages(call("a"), output("a", PICTURE), User((Text("go"),)), profile=MISTRAL)
    assert [one["role"] for one in seen] == ["assistant", "tool", "assistant", "user"]
    answered = messages(call("a"), output("a"), Assistant("ok"), User((Text("go"),)), profile=MISTRAL)  # fmt: skip
    assert FILLER not in answered


def test_image_has_the_type_of_its_bytes() -> None:
    png = "data:image/jpeg;base64,iVBORw0KGgo="
    sent = messages(User((Image(png),)))
    assert sent[0]["content"][0]["image_url"]["url"] == "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_is_replayed_in_the_field_of_the_profile(field: Any) -> None:
    profile = Profile(replay_field=field)
    sent = messages(wrapped("all of it"), call("a"), profile=profile)
    assert sent[0][field] == "all of it"
    assert field not in messages(wrapped("all of it"), call("a"))[0]


def test_reasoning_without_a_blob_is_replayed_as_visible_text() -> None:
    profile = Profile(replay_field="reasoning_content")
    assert messages(Reasoning("shown"), call("a"), profile=profile)[0]["reasoning_content"] == "shown"  # fmt: skip
    assert messages(call("a"), profile=profile)[0]["reasoning_content"] == ""
    assert "reasoning_content" not in messages(Assistant("x"), profile=profile)[0]


def test_blob_of_another_scope_is_not_replayed() -> None:
    foreign = Reasoning("shown", wrap("chat:elsewhere", {"reasoning": "secret"}))
    profile = Profile(replay_field="reasoning_content")
    assert messages(foreign, call("a"), profile=profile)[0]["reasoning_content"] == "shown"


def test_reasoning_details_are_replayed_unchanged() -> None:
    first, second = {"type": "reasoning.text", "text": "a"}, {"type": "reasoning.encrypted"}
    sent = messages(
        wrapped([first]), wrapped([second]), call("a"), profile=Profile(replay_field="reasoning_details")
    )  # fmt: skip
    assert sent[0]["reasoning_details"] == [first, second]
    none = messages(Reasoning("x"), call("a"), profile=Profile(replay_field="reasoning_details"))
    assert "reasoning_details" not in none[0]


def test_extra_content_of_a_call_is_replayed_with_it() -> None:
    extra = {"google": {"thought_signature": "s"}}
    signed = Reasoning("", wrap(SCOPE, {"calls": {"b": extra}}))
    for items in ((signed, call("a"), call("b")), (call("a"), call("b"), signed)):
        first, second = messages(*items)[0]["tool_calls"]
        assert first == called("a")
        assert second == {**called("b"), "extra_content": extra}


def test_reasoning_alone_is_no_message() -> None:
    sent = messages(Reasoning("hm"), User((Text("go"),)), profile=Profile(replay_field="reasoning"))
    assert sent == [{"role": "user", "content": "go"}]


def test_empty_message_is_not_sent() -> None:
    assert messages(User(())) == []


def test_instructions_begin_the_first_user_message_where_no_role_is_theirs() -> None:
    found = messages(
        System("a"), System("b"), User((Text("go"),)), profile=Profile(system_role="user")
    )
    assert found == [{"role": "user", "content": "a\n\nb\n\ngo"}]
