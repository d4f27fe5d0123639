"""Tasks that one agent of Codex hands over to another: which marks are removed, and which tasks nobody can read."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
import zstandard

from addons.core.limits import MIB
from addons.core.protocols.canonical.conversation import Conversation
from addons.core.protocols.responses.handover import (
    in_plain_text,
    readable_message,
    unreadable_task,
)
from addons.core.protocols.responses.request import read_request
from addons.core.turn import ClientRequest

CIPHER = "gAAAAA" + 90 * "x"
HEADER = {"type": "input_text", "text": "Message Type: NEW_TASK\nPayload:\n"}
MESSAGE = b'{"type":"string","description":"The \\"encrypted\\": true task","encrypted":true}'
BEFORE = b'"tools":[{"type":"namespace","name":"collaboration","tools":[{"type":"function","name":"%b","parameters":{"type":"object","properties":{"message":'
AFTER = b'}}}]},{"name":"other","parameters":{"properties":{"message":{"encrypted":true}, "encrypted" : true}}}]'


def tools(name: bytes = b"spawn_agent", schema: bytes = MESSAGE) -> bytes:
    return BEFORE % name + schema + AFTER


def request(body: bytes, **more: object) -> ClientRequest:
    return replace(ClientRequest("POST", "/v1/responses", (), body), **more)  # type: ignore[arg-type]


def plain(body: bytes) -> bytes:
    return in_plain_text(request(body), MIB).body


def message(*values: str, **more: object) -> dict[str, object]:
    parts = [{"type": "encrypted_content", "encrypted_content": value} for value in values]
    return {"type": "agent_message", "author": "/root", "content": [HEADER, *parts], **more}


@pytest.mark.parametrize(
    ("schema", "kept"),
    [
        (MESSAGE, MESSAGE.replace(b',"encrypted":true', b"")),
        (b'{"type":"string" , "encrypted": true , "a":1}', b'{"type":"string"  , "a":1}'),
        (b'{ "encrypted" : true , "type":"string"}', b'{ "type":"string"}'),
        (b'{"encrypted":true}', b"{}"),
        (b'{"encrypted":false}', b'{"encrypted":false}'),
        (b'{"properties":{"encrypted":true}}', b'{"properties":{"encrypted":true}}'),
    ],
)
@pytest.mark.parametrize("name", [b"spawn_agent", b"send_message", b"followup_task"])
@pytest.mark.parametrize(
    "form",
    [b'{"model":"m",%b}', b'{"input":[{"type":"additional_tools",%b},{"encrypted":true}],"b": 1 }'],
)
def test_only_the_mark_of_a_message_is_removed(
    form: bytes, name: bytes, schema: bytes, kept: bytes
) -> None:
    body = form.replace(b"%b", tools(name, schema))
    assert plain(body) == form.replace(b"%b", tools(name, kept))


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","input":"hi"}',
        b"{%b}" % tools(b"other_tool"),
        b"{%b" % tools(),
        b'{"\\u0065ncrypted":true,%b}' % tools(),
        b'{"tools":5,"input":{},"encrypted":true}',
        b"[%b]" % tools()[8:],
        b'{"encrypted":true}',
    ],
)
def test_request_without_a_mark_is_the_same_object(body: bytes) -> None:
    turn = request(body, frame=body)
    assert in_plain_text(turn, MIB) is turn


def test_deeply_nested_request_is_read() -> None:
    deep = b'{"a":' * 900 + b"1" + b"}" * 900
    assert b'task","encrypted":true' not in plain(b'{"input":[%b],%b}' % (deep, tools()))


def test_body_that_cannot_be_decoded_is_left() -> None:
    turn = request(b"{%b}" % tools(), headers=((b"content-encoding", b"zstd"),))
    assert in_plain_text(turn, MIB) is turn


def test_frame_and_encoded_body_lose_the_mark_as_well() -> None:
    body = b'{"model":"m",%b}' % tools()
    frame = b'{"type":"response.create",%b}' % tools()
    packed = zstandard.ZstdCompressor().compress(body)
    turn = request(packed, frame=frame, headers=((b"content-encoding", b"zstd"),))

    found = in_plain_text(turn, MIB)

    assert zstandard.ZstdDecompressor().decompress(found.body, MIB) == plain(body)
    assert found.frame == plain(frame)
    assert found.notes is turn.notes


def test_frame_that_refers_to_the_tools_stays() -> None:
    frame = b'{"type":"response.create","previous_response_id":"r","input":[]}'
    found = in_plain_text(request(b"{%b}" % tools(), frame=frame), MIB)
    assert found.frame is frame
    assert found.body == plain(b"{%b}" % tools())


def test_content_that_is_not_encrypted_becomes_text() -> None:
    read = readable_message(message("Read the docs.", CIPHER))
    assert read["content"] == [
        HEADER,
        {"type": "input_text", "text": "Read the docs."},
        {"type": "encrypted_content", "encrypted_content": CIPHER},
    ]


@pytest.mark.parametrize(
    "item",
    [
        {"type": "reasoning", "content": [{"encrypted_content": "x"}]},
        {"type": "agent_message", "content": "text"},
        {"type": "agent_message", "content": [{"encrypted_content": 5}, "text", HEADER]},
    ],
)
def test_other_items_stay(item: dict[str, object]) -> None:
    assert readable_message(item) == item


def test_encrypted_task_is_an_error_that_says_what_to_do() -> None:
    found = unreadable_task({"input": [{"role": "developer", "content": "x"}, message(CIPHER)]})
    assert found
    assert (found.status, found.code) == (400, "invalid_prompt")
    assert '"chatgpt": {"plain_handover": true}' in found.message
    assert "the agent /root" in found.message


@pytest.mark.parametrize(
    "items",
    [
        [],
        ["text"],
        [message("Read the docs.")],
        [message()],
        [message(CIPHER), {"role": "user", "content": "go on"}],
        [{"type": "reasoning", "content": [{"encrypted_content": CIPHER}]}],
        [{"type": "agent_message", "content": CIPHER}],
    ],
)
def test_other_requests_are_no_error(items: list[object]) -> None:
    assert unreadable_task({"input": items}) is None


def test_row_refuses_the_task_and_continues_the_thread() -> None:
    task = message(CIPHER)
    refused = read_request({"input": [task]}, "scope")
    went_on = read_request({"input": [task, {"role": "user", "content": "hi"}]}, "scope")
    assert refused == unreadable_task({"input": [task]})
    assert isinstance(went_on, Conversation)
    assert "encrypted" in " ".join(went_on.dropped)


def test_marks_are_those_of_codex() -> None:
    """The schema is that of Codex 0.169 and 0.171."""
    body = orjson.dumps({"tools": [{"name": "spawn_agent", "parameters": {"properties": {"message": {"encrypted": True}}}}]})  # fmt: skip
    assert b"encrypted" not in plain(body)
