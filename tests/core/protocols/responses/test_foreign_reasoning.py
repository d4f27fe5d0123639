"""Requests to a native upstream in a thread with earlier translated answers."""

from __future__ import annotations

import orjson
import pytest
import zstandard
from hypothesis import given

from addons.core.errors import Problem
from addons.core.protocols.canonical.events import (
    ReasoningDelta,
    ReasoningDone,
    Stopped,
    StopReason,
)
from addons.core.protocols.canonical.opaque_reasoning import MARK, wrap
from addons.core.protocols.responses.compaction import SUMMARY_PREFIX, compaction_item
from addons.core.protocols.responses.emitter import Emitter
from addons.core.protocols.responses.foreign_reasoning import native_body
from addons.core.protocols.responses.stop_mapping import Client
from addons.core.turn import ClientRequest
from tests.histories import Item, extensions, request_of

CAP = 1_000_000
USER: Item = {"type": "message", "role": "user", "content": "hi"}
FOREIGN: Item = {"type": "reasoning", "id": "rs_0a", "summary": [], "encrypted_content": "gAAAA"}


def body_of(*items: object) -> bytes:
    return orjson.dumps({"model": "gpt-x", "input": list(items), "store": False})


def request(body: bytes, encoding: bytes = b"") -> ClientRequest:
    headers = ((b"content-encoding", encoding),) if encoding else ()
    return ClientRequest("POST", "/v1/responses", headers, body)


def sent(*items: object) -> list[object]:
    body = body_of(*items)
    native = native_body(request(body), body, CAP)
    assert isinstance(native, bytes)
    found = orjson.loads(native)
    assert {**found, "input": None} == {**orjson.loads(body), "input": None}
    assert isinstance(found["input"], list)
    return found["input"]


def test_each_mark_is_found_wherever_it_stands_in_a_large_body() -> None:
    """One search for all of them, also behind text that is not ASCII, and at either end of the input."""
    filler: Item = {"type": "message", "role": "user", "content": "é漢😀_shim_ codexshim1" * 20_000}
    own: Item = {"type": "reasoning", "id": "rs_shim_1", "summary": []}
    wrapped: Item = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [],
        "encrypted_content": f"{MARK}x",
    }
    part = {"type": "encrypted_content", "encrypted_content": "Do it."}
    handed: Item = {"type": "agent_message", "author": "a", "content": [part]}
    readable = {**handed, "content": [{"type": "input_text", "text": "Do it."}]}
    assert sent(filler) == [filler]
    for item, kept in ((own, []), (wrapped, []), (handed, [readable])):
        assert sent(item, filler) == [*kept, filler]
        assert sent(filler, item) == [filler, *kept]


def test_body_that_is_not_utf_8_is_sent_as_it_is() -> None:
    body = body_of({"type": "reasoning", "id": "rs_shim_1"}).replace(b"gpt-x", b"gpt-\xff")
    assert native_body(request(body), body, CAP) is body


def answered(*opaque: str) -> list[Item]:
    """Return the reasoning items of a translated answer, as a client sends them back."""
    emitter = Emitter("resp_1", 1, "m", {}, Client.CODEX)
    ends = [ReasoningDone(one) for one in opaque] or [ReasoningDone()]
    emitter.emit([ReasoningDelta("hm"), *ends, Stopped(StopReason.LENGTH)])
    output = emitter.response["output"]
    assert isinstance(output, list)
    return output


def without(item: Item, key: str) -> Item:
    return {name: value for name, value in item.items() if name != key}


@pytest.mark.parametrize("body", [body_of(USER, FOREIGN), b"", b"{", body_of({"text": "rs_shim_"})])
def test_body_without_shim_items_is_the_same_object(body: bytes) -> None:
    incoming = request(body)
    assert native_body(incoming, body, CAP) is body
    assert incoming.notes.dropped == []


def test_text_of_a_user_is_not_reasoning() -> None:
    body = body_of({**USER, "content": f'"{MARK}x" and "rs_shim_1"'})
    assert native_body(request(body), body, CAP) is body


def test_reasoning_of_the_shim_is_removed_and_noted() -> None:
    [plain] = answered()
    [wrapped] = answered(wrap("chat:https://up:m", {"reasoning": "hm"}))
    assert plain["encrypted_content"] is None
    body = body_of(USER, FOREIGN, plain, wrapped, without(wrapped, "id"), USER)
    incoming = request(body)
    native = native_body(incoming, body, CAP)
    assert isinstance(native, bytes)
    assert orjson.loads(native)["input"] == [USER, FOREIGN, USER]
    assert incoming.notes.dropped == [
        f"input[{place}]: reasoning of another upstream" for place in (2, 3, 4)
    ]


def test_compaction_of_the_shim_becomes_text_and_a_foreign_one_is_unchanged() -> None:
    foreign = {"type": "compaction", "encrypted_content": "gAAAA"}
    items = sent(compaction_item("we did much", "cmp_1"), foreign, USER)
    text = {"type": "input_text", "text": SUMMARY_PREFIX + "we did much"}
    assert items == [{"type": "message", "role": "user", "content": [text]}, foreign, USER]


def test_message_between_agents_that_nobody_encrypted_becomes_text() -> None:
    part = {"type": "encrypted_content", "encrypted_content": "Read the docs."}
    message: Item = {"type": "agent_message", "author": "/root", "content": [part]}
    text = {"type": "input_text", "text": "Read the docs."}
    assert sent(USER, message) == [USER, {**message, "content": [text]}]


def test_encrypted_message_between_agents_is_the_same_object() -> None:
    part = {"type": "encrypted_content", "encrypted_content": "gAAAAA" + 90 * "x"}
    body = body_of(USER, {"type": "agent_message", "author": "/root", "content": [part]})
    assert native_body(request(body), body, CAP) is body


def test_compressed_body_stays_compressed() -> None:
    packed = zstandard.ZstdCompressor().compress(body_of(USER, *answered()))
    native = native_body(request(packed, b"zstd"), packed, CAP)
    assert isinstance(native, bytes)
    unpacked = zstandard.ZstdDecompressor().stream_reader(native).read()
    assert orjson.loads(unpacked)["input"] == [USER]


def test_oversized_body_is_a_problem() -> None:
    packed = zstandard.ZstdCompressor().compress(body_of(*answered()) + b" " * 2_000)
    problem = native_body(request(packed, b"zstd"), packed, 1_000)
    assert isinstance(problem, Problem)
    assert problem.status == 413


@given(extensions())
def test_native_history_is_a_prefix_of_its_extension(
    pair: tuple[list[Item], list[Item]],
) -> None:
    short, long = (sent(*request_input(items)) for items in pair)
    assert long[: len(short)] == short
    assert MARK.encode() not in orjson.dumps(long)
    kept = [item for item in long if item in pair[1]]
    assert len(kept) + sum(
        item["type"] == "compaction" for item in pair[1] if is_from_shim(item)
    ) == len(long)


def request_input(items: list[Item]) -> list[object]:
    found = request_of(items)["input"]
    assert isinstance(found, list)
    return found


def is_from_shim(item: Item) -> bool:
    return "type" in item and str(item.get("encrypted_content")).startswith(MARK)
