"""What a hook sees of a request, and the request that follows from its edits."""

from __future__ import annotations

import dataclasses
from typing import Any

import orjson
import pytest
import zstandard

from addons.core.errors import Problem
from addons.core.hooks.requests import EditError, ReadTurn, changed_fields, edit_note, read_turn
from addons.core.hooks.values import Turn
from addons.core.limits import MIB
from addons.core.secrets import Secret
from addons.core.turn import ClientRequest, ClientTransport

LARGE = 123456789012345678901234567890
BODY = b'{"model":"m","stream":true,"instructions":"i","input":[{"type":"message","role":"user","content":"hi"}],"n":%d}' % LARGE  # fmt: skip


def request(body: bytes = BODY, *headers: tuple[bytes, bytes], **fields: Any) -> ClientRequest:
    return ClientRequest("POST", fields.pop("path", "/v1/responses"), headers, body, **fields)


def read(*args: Any, **fields: Any) -> ReadTurn:
    found = read_turn(request(*args, **fields), MIB, "f")
    assert isinstance(found, ReadTurn)
    return found


def context(folder: str, role: str = "user") -> dict[str, Any]:
    text = (
        f"<environment_context>\n  <cwd>{folder}</cwd>\n  <shell>bash</shell></environment_context>"
    )
    return {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}


def test_fields_of_a_turn() -> None:
    items = [context("/old"), context("/new"), context("/assistant", "assistant")]
    body = orjson.dumps({"model": "m", "input": items, "tools": [{"name": "t"}], "reasoning": {"effort": "low"}})  # fmt: skip
    metadata = orjson.dumps({"request_kind": "turn", "subagent_kind": "thread_spawn"})
    headers = ((b"thread-id", b"t1"), (b"originator", b"codex_exec"), (b"x-codex-turn-metadata", metadata))  # fmt: skip
    turn = read(body, *headers, transport=ClientTransport.WEBSOCKET, is_replay=True).turn
    seen = (turn.id, turn.thread, turn.client, turn.folder, turn.agent, turn.transport)
    assert seen == ("f", "t1", "codex_exec", "/new", "sub-agent", "websocket")
    assert (turn.model, turn.instructions, turn.is_replay, turn.is_compaction) == ("m", "", True, False)  # fmt: skip
    assert (turn.tools, turn.fields) == ([{"name": "t"}], {"reasoning": {"effort": "low"}})


def test_folder_of_a_workspace_and_compactions() -> None:
    def named(**metadata: object) -> tuple[bytes, bytes]:
        return (b"x-codex-turn-metadata", orjson.dumps(metadata))

    assert read(BODY, named(workspaces={"/w": {}})).turn.folder == "/w"
    assert read(BODY, named(workspaces={"/w": {}, "/v": {}})).turn.folder == ""
    assert read(BODY, named(request_kind="compaction")).turn.is_compaction
    assert read(path="/v1/responses/compact").turn.is_compaction
    assert read(b'{"model":"m","input":[{"type":"compaction_trigger"}]}').turn.is_compaction


def test_no_credential_and_no_header_is_in_a_turn() -> None:
    secret = "S3cret-of-the-client"
    headers = ((b"authorization", b"<redacted>"), (b"x-custom", secret.encode()))
    found = read(b'{"model":"m"}', *headers, credentials={b"authorization": Secret(secret)})
    assert secret not in repr(found.turn)
    assert secret not in repr(dataclasses.asdict(found.turn))


def test_string_input_is_one_message() -> None:
    found = read(b'{"model":"m","input":"hi"}')
    assert found.turn.input == [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
    ]
    assert found.edited(found.turn) is found.request
    assert orjson.loads(found.edited(found.turn.replace(model="n")).body) == {"model": "n", "input": "hi"}  # fmt: skip


def test_edit_changes_the_named_members_and_no_other() -> None:
    found = read()
    assert found.edited(found.turn.replace()) is found.request
    changed = found.edited(found.turn.replace(model="n"))
    assert changed.body == BODY.replace(b'"m"', b'"n"')
    assert (changed.model, changed.frame) == ("n", None)
    fields = {name: value for name, value in found.turn.fields.items() if name != "n"}
    without = found.edited(found.turn.replace(fields={**fields, "top_p": 1}))
    assert orjson.loads(without.body) == {**{k: v for k, v in orjson.loads(BODY).items() if k != "n"}, "top_p": 1}  # fmt: skip


def test_encoded_body_is_read_and_an_edited_one_is_not_encoded() -> None:
    encoded = zstandard.ZstdCompressor().compress(BODY)
    found = read(encoded, (b"Content-Encoding", b"zstd"), (b"x", b"y"))
    changed = found.edited(found.turn.replace(instructions="j"))
    assert changed.headers == ((b"x", b"y"),)
    assert changed.body == BODY.replace(b'"i"', b'"j"')


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"model":""}', b'{"model":7}'])
def test_body_that_is_no_turn_is_a_problem(body: bytes) -> None:
    assert isinstance(read_turn(request(body), MIB, ""), Problem)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"thread": "t"}, "`thread` of a turn cannot be changed"),
        ({"is_replay": True}, "`is_replay` of a turn cannot be changed"),
        ({"model": ""}, "`model` has to be a text"),
        ({"instructions": None}, "`instructions` has to be a text"),
        ({"fields": {"stream": False}}, "`stream` cannot be changed"),
    ],
)
def test_edit_that_is_not_possible_is_named(change: dict[str, Any], message: str) -> None:
    turn = read().turn
    with pytest.raises(EditError, match=message):
        changed_fields(turn, dataclasses.replace(turn, **change))


def test_note_names_what_was_changed_without_its_value() -> None:
    turn = Turn(model="m", input=[{"n": n} for n in range(9)])
    changed = turn.replace(
        model="secret",
        input=[{"n": "secret"}, *turn.input[1:], {"n": "secret"}],
        fields={"top_p": "secret"},
    )
    assert edit_note(turn, changed) == "model, input[0] (+1), top_p"
    many = turn.replace(input=[{"n": "x"}] * 9)
    assert edit_note(turn, many) == "input[0, 1, 2 and 6 more]"
    assert edit_note(turn, turn.replace()) == ""
