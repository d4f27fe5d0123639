"""Items and parts that the shim does not know: their text is passed on, the rest is noted."""

from __future__ import annotations

import pytest

from addons.core.protocols.canonical.conversation import Assistant, Image, System, Text, User
from addons.core.protocols.responses.request_parts import NO_ENCRYPTED, NO_PART
from tests.core.protocols.responses.test_request import HI, conversation, says
from tests.histories import PNG


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"type": "teleport"}, ("input[1]", "teleport")),
        ({"type": "configuration_update", "reasoning": {"effort": "high"}}, ("input[1]", "configuration_update")),
        ({"type": "agent_message", "author": "/lead"}, ("input[1]", "agent")),
        (5, ("input[1]",)),
        ({"type": 5}, ("input[1]",)),
        (says("tool"), ("input[1]", "'tool'")),
        ({"type": "function_call", "name": "x"}, ("call_id",)),
        ({"type": "function_call_output", "output": None}, ("call_id",)),
        ({"type": "additional_tools", "tools": 5}, ("input[1].tools",)),
    ],
)  # fmt: skip
def test_item_without_text_is_left_out_and_noted(item: object, words: tuple[str, ...]) -> None:
    read = conversation(HI, item)
    assert read.items == (User((Text("hi"),)),)
    assert all(word in " ".join(read.dropped) for word in words)


@pytest.mark.parametrize(
    ("item", "items"),
    [
        (
            {"type": "agent_message", "author": "/lead", "recipient": "/lead/child", "content": [{"type": "input_text", "text": "Payload:\n"}, {"type": "encrypted_content", "encrypted_content": "Read the docs."}]},
            (User((Text("[message from the agent /lead to /lead/child]\nPayload:\nRead the docs."),)),),
        ),
        ({"type": "teleport", "content": "to"}, (User((Text("[teleport]\nto"),)),)),
        ({"type": "teleport", "text": "to"}, (User((Text("[teleport]\nto"),)),)),
        ({"type": "teleport", "role": "assistant", "content": [{"type": "output_text", "text": "to"}]}, (Assistant("[teleport]\nto"),)),
        ({"type": "teleport", "role": "developer", "content": ["to", {"type": "input_image", "image_url": PNG}]}, (System("[teleport]\nto"), User((Image(PNG),)))),
        ({"type": "teleport", "content": {"type": "input_image", "image_url": PNG}}, (User((Text("[teleport]\n"), Image(PNG))),)),
        ({"type": "teleport_call", "arguments": "to"}, (Assistant("[teleport_call]\nto"),)),
        ({"type": "teleport", "role": {}, "output": "to"}, (User((Text("[teleport]\nto"),)),)),
        (says("tool", "t"), (User((Text("t"),)),)),
        (says("assistant", "t", {"type": "input_image", "image_url": PNG}), (Assistant("t"), User((Image(PNG),)))),
        ({"type": "function_call_output", "output": "x"}, (User((Text("[function_call_output]\nx"),)),)),
        ({"content": "x"}, (User((Text("x"),)),)),
    ],
)  # fmt: skip
def test_text_of_an_unknown_item_is_passed_on(item: object, items: tuple[object, ...]) -> None:
    assert conversation(item).items == items


def test_encrypted_message_of_an_earlier_turn_is_noted() -> None:
    part = {"type": "encrypted_content", "encrypted_content": "gAAAAA" + 80 * "x"}
    [noted, _] = conversation({"type": "agent_message", "content": [part]}, HI).items
    assert noted == User(
        (Text(f"[message from the agent (unnamed) to (unnamed)]\n{NO_ENCRYPTED}"),)
    )


def test_part_of_an_unknown_type_is_a_note() -> None:
    audio = {"type": "input_audio", "audio_url": "data:audio/wav;base64,aGk="}
    read = conversation(says("user", "hear", audio))
    assert read.items == (User((Text("hear"), Text(NO_PART.format(kind="input_audio")))),)
    assert read.dropped == ("input[0].content[1]: content of the type input_audio",)


@pytest.mark.parametrize("part", [5, {"type": "input_text", "text": 5}])
def test_part_without_text_is_left_out_and_noted(part: object) -> None:
    read = conversation(says("user", "hi", part))
    assert read.items == (User((Text("hi"),)),)
    assert len(read.dropped) == 1
