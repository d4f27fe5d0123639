"""A turn for a bug report: without its content, or with its text and without recognizable secrets."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from addons.views.masked_turn import MAX_NOTE_LENGTH, masked_turn, readable_turn
from addons.views.masking import Masker, masked_json
from addons.views.scrub import found
from addons.views.turn import Turn
from addons.views.turn_data import TurnData
from tests.views.samples import (
    MESSAGES_REQUEST,
    RESPONSES_EVENTS,
    RESPONSES_REQUEST,
    attempt,
    messages_stream,
    metadata,
    sse,
)
from tests.views.secrets import (
    ALL,
    PLANTED,
    UNRECOGNIZABLE,
    leaked,
    request_with_secrets,
)
from tests.views.test_page import JSON

MASKER = Masker(b"salt of this test")


def test_turn_full_of_secrets_is_masked() -> None:
    body = orjson.dumps(request_with_secrets("fast"))
    answer = sse([{"type": "response.output_text.delta", "output_index": 0, "delta": ALL}, {"type": "response.failed", "response": {"error": {"code": "x", "message": ALL}}}])  # fmt: skip
    data = metadata(attempt(body, answer, url=f"https://api.example.com/{PLANTED['aws id']}?{ALL}"))
    data = {**data, "dropped": [ALL], "thread": PLANTED["jwt"], "slug": PLANTED["aws id"]}
    turn = Turn(body, answer, (("set-cookie", ALL), (PLANTED["aws id"], ALL)), 200, TurnData.parse(data))  # fmt: skip

    text = masked_json(masked_turn(turn, MASKER))

    assert set(leaked(text)) <= UNRECOGNIZABLE
    notes = orjson.loads(text)["kept"]["dropped"]
    assert leaked(text.replace(orjson.dumps(notes[0]), b"")) == []
    assert found(text.decode()) == []


def test_readable_turn_keeps_its_text_without_the_secrets() -> None:
    body = orjson.dumps(request_with_secrets("fast"))

    pages = readable_turn(Turn(body, body), ["friday"])

    text = b"\n".join(pages.values())
    assert b"the launch is on <secret> at dawn" in text
    assert set(leaked(text)) <= UNRECOGNIZABLE


def test_structure_of_a_turn_stays() -> None:
    data = metadata(attempt(orjson.dumps(MESSAGES_REQUEST), messages_stream()))
    turn = Turn(
        orjson.dumps(RESPONSES_REQUEST), sse(RESPONSES_EVENTS), (), 200, TurnData.parse(data)
    )

    document = orjson.loads(masked_json(masked_turn(turn, MASKER)))

    items = document["request"]["body"]["input"]
    assert [item["type"] for item in items][:4] == ["message", "message", "reasoning", "function_call"]  # fmt: skip
    assert items[3]["call_id"] == items[4]["call_id"] == "call_1"
    sent = document["kept"]["attempts"][0]
    assert sent["url"] == "https://api.example.com/v1/messages"
    assert sent["request"]["body"]["messages"][1]["content"][1]["type"] == "tool_use"
    assert document["kept"]["usage"]["input_tokens"] == 1200


def test_changes_by_hooks_are_kept() -> None:
    data = TurnData.parse({**metadata(), "hooks": ["rule.py: instructions"]})
    kept = orjson.loads(masked_json(masked_turn(Turn(b"{}", b"", (), 200, data), MASKER)))["kept"]
    assert kept["hooks"] == ["rule.py: instructions"]
    assert (
        "hooks"
        not in orjson.loads(
            masked_json(masked_turn(Turn(b"{}", b"", (), 200, TurnData.parse(metadata())), MASKER))
        )["kept"]
    )


def test_long_note_is_clipped() -> None:
    data = TurnData.parse({**metadata(), "dropped": ["a b " * MAX_NOTE_LENGTH]})
    document = orjson.loads(masked_json(masked_turn(Turn(b"", data=data), MASKER)))
    assert len(document["kept"]["dropped"][0]) == MAX_NOTE_LENGTH


@given(JSON, st.binary(max_size=200))
def test_any_turn_is_masked(value: object, body: bytes) -> None:
    assert masked_json(masked_turn(Turn(body, body, (), 1, TurnData.parse(value)), MASKER))
