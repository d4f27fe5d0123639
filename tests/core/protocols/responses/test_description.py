"""The request for a description, and the answer to it."""

from __future__ import annotations

import orjson
import pytest

from addons.core.protocols.responses.description import (
    INSTRUCTIONS,
    Answered,
    DescriptionReader,
    description_request,
    loaded,
    read_error,
    without_picture,
)
from addons.core.protocols.responses.request import read_request

DELTA = {"type": "response.output_text.delta", "delta": "half"}
ITEM = {
    "type": "response.output_item.done",
    "item": {"type": "message", "content": [{"type": "output_text", "text": " a cat "}]},
}
COMPLETED = {"type": "response.completed", "response": {}}


def incomplete(reason: str) -> dict[str, object]:
    response = {"incomplete_details": {"reason": reason}}
    return {"type": "response.incomplete", "response": response}


def failed(**error: object) -> dict[str, object]:
    return {"type": "response.failed", "response": {"error": error}}


def read(*events: object, size: int = 7) -> Answered:
    data = b"".join(b"event: x\ndata: " + orjson.dumps(one) + b"\n\n" for one in events)
    reader = DescriptionReader(10_000)
    for start in range(0, len(data), size):
        reader.feed(data[start : start + size])
    return reader.finish()


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ([DELTA, ITEM, COMPLETED], ("a cat", "")),
        ([DELTA, COMPLETED], ("half", "")),
        ([ITEM, incomplete("max_output_tokens")], ("a cat", "")),
        ([incomplete("content_filter")], ("", "incomplete")),
        ([COMPLETED], ("", "empty_answer")),
        ([DELTA, ITEM], ("", "answer_cut")),
        ([], ("", "answer_cut")),
        ([DELTA, failed(code="server_is_overloaded", message="busy")], ("", "server_is_overloaded")),
        ([failed()], ("", "failed")),
    ],
)  # fmt: skip
def test_answer_is_read(events: list[object], found: tuple[str, str]) -> None:
    answered = read(*events)
    assert (answered.text, answered.code) == found
    assert bool(answered.message) is bool(answered.code)


def test_other_events_are_no_answer() -> None:
    call = {"type": "response.output_item.done", "item": {"type": "function_call", "content": "x"}}
    assert read(call, [], "text", {"type": 3}, ITEM, COMPLETED).text == "a cat"
    reader = DescriptionReader(10_000)
    reader.feed(b"data: {broken\n\ndata: [DONE]\n\n")
    assert reader.finish().code == "answer_cut"


def test_error_of_a_json_answer_is_read() -> None:
    assert read_error(loaded(b'{"error":{"code":"c","message":"m"}}')) == ("", "c", "m")
    assert read_error(loaded(b'{"error":{"type":"t"}}')) == ("", "t", "no reason given")
    for odd in (b"<html>", b"[]", b'{"error":"text"}'):
        assert read_error(loaded(odd)).code == "failed"


def test_request_is_one_that_every_protocol_reads() -> None:
    body = description_request("eyes", "https://e.x/a.png")
    assert body["stream"] is True
    assert body["store"] is False
    conversation = read_request(body, "")
    assert [type(item).__name__ for item in conversation.items] == ["System", "User"]  # type: ignore[union-attr]
    for topic in ("text", "code", "error", "layout", "never guess"):
        assert topic in INSTRUCTIONS


def test_reason_repeats_neither_the_picture_nor_its_address() -> None:
    data, link = "data:image/png;base64," + "iVBORw0K" * 20, "HTTPS://e.x/a.png?sig=1"
    cases = [
        (data, f"bad {data}, see https://help.example", "bad (data) see https://help.example"),
        (data, f"bad {data[22:]}==!", "bad (data)!"),
        (link, f"cannot open {link.lower()} now", "cannot open (an address) now"),
        (link, "x " * 100_000, ("x " * 200)),
    ]
    for url, message, shown in cases:
        found = without_picture(Answered("", "odd", message), url)
        assert found == ("", "odd", shown), message[:50]
    whole = Answered(f"It shows {data}")
    assert without_picture(whole, data) is whole
