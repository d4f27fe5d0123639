"""The text of turns on its way to the export."""

from __future__ import annotations

import json
import threading
from concurrent.futures import Future
from typing import Any

import orjson
import zstandard

from addons.adapters.otel import texts
from addons.adapters.otel.texts import TextMaker, TurnText, attributes_of
from addons.core.masking.mask import mask_of
from addons.core.secrets import Secret
from addons.core.telemetry.genai import Attributes
from addons.core.telemetry.genai_messages import INPUT, INSTRUCTIONS, OUTPUT
from tests.strict.genai_messages import objections

KEY = "planted-key-of-a-row-1234567"
SHAPED = "sk-proj-" + "aB3" * 12
ITEM = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}


def stream(*events: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events)


def done(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response.output_item.done", "item": item}


def text(answer: bytes = b"", body: object = None, encoding: bytes | None = None) -> TurnText:
    request = orjson.dumps(body or {"instructions": "be kind", "input": "hello"})
    if encoding == b"zstd":
        request = zstandard.compress(request)
    return TurnText(request, encoding, answer, mask_of([Secret(KEY)]))


def test_streamed_and_whole_answers_are_read() -> None:
    whole = {"id": "r", "status": "completed", "output": [ITEM]}
    for answer in (
        stream(done(ITEM), {"type": "response.completed", "response": {}}),
        orjson.dumps(whole),
    ):
        for encoding in (None, b"zstd"):
            found = attributes_of(text(answer, encoding=encoding))
            assert json.loads(str(found[INSTRUCTIONS])) == [{"type": "text", "content": "be kind"}]
            assert "hello" in str(found[INPUT])
            [message] = json.loads(str(found[OUTPUT]))
            assert message["parts"] == [{"type": "text", "content": "hi"}]
            assert message["finish_reason"] == "stop"
            assert [each for name in found for each in objections(name, str(found[name]))] == []


def test_what_cannot_be_read_is_left_out() -> None:
    for answer in (b"", b"<html>", b"{", b"data: {\n\n", b'{"error":{"message":"no"}}', b"\xff"):
        assert OUTPUT not in attributes_of(text(answer))
    for body in (b"\xff", b"[1]", b""):
        assert attributes_of(TurnText(body, None, b"", mask_of([]))) == {}
    assert attributes_of(TurnText(b"{}", b"zstd", b"", mask_of([]))) == {}


def test_secrets_are_masked_in_every_part() -> None:
    split = [
        done({"type": "function_call", "call_id": "c", "name": "f", "arguments": orjson.dumps({"k": KEY, "s": SHAPED}).decode()}),
        {"type": "response.completed"},
    ]  # fmt: skip
    body = {"instructions": f"use {KEY}", "input": [{"role": "user", "content": f"and {SHAPED}"}]}
    found = attributes_of(text(stream(*split), body))
    assert set(found) == {INSTRUCTIONS, INPUT, OUTPUT}
    for value in found.values():
        assert "<secret>" in str(value)
        assert KEY not in str(value)
        assert SHAPED not in str(value)


def test_turns_wait_within_bounds_and_close_waits_for_them(monkeypatch: Any) -> None:
    held, got = threading.Event(), list[tuple[str, Attributes]]()
    monkeypatch.setattr(texts, "MAX_BYTES", 300)
    monkeypatch.setattr(texts, "attributes_of", lambda text: held.wait(20) and {"size": text.size})
    maker = TextMaker()
    for id_ in ("f1", "f2", "f3"):
        maker.begin(id_, text(b"x" * 100))
    for id_ in ("f1", "f2", "f3", "f4"):
        maker.attach(id_, lambda found, id_=id_: got.append((id_, found)))  # type: ignore[misc]
    assert [id_ for id_, found in got] == ["f3", "f4"]
    assert all(found == {} for _, found in got)
    held.set()
    maker.close(20)
    assert [(id_, bool(found)) for id_, found in got[2:]] == [("f1", True), ("f2", True)]


def test_what_is_under_way_does_not_keep_the_process(monkeypatch: Any) -> None:
    held, got = threading.Event(), list[Attributes]()
    monkeypatch.setattr(texts, "attributes_of", lambda _: held.wait(20))
    maker = TextMaker()
    maker.begin("f1", text(b"x"))
    maker.close(0)
    assert {one.daemon for one in threading.enumerate() if one.name.startswith("turn text")} == {True}  # fmt: skip
    maker.begin("late", text(b"x"))
    for id_ in ("f1", "late"):
        maker.attach(id_, got.append)
    assert got == [{}, {}]
    held.set()


def test_turn_whose_text_cannot_be_made_is_attached_without_it(monkeypatch: Any) -> None:
    got: Future[Attributes] = Future()
    monkeypatch.setattr(texts, "attributes_of", lambda _: 1 // 0)
    maker = TextMaker()
    maker.begin("f1", text(b"x"))
    maker.attach("f1", got.set_result)
    maker.close(20)
    assert got.result(0) == {}
