"""What a native Responses upstream is given of a thread that translated models have answered before."""

from __future__ import annotations

import orjson
import pytest
import zstandard
from hypothesis import given

from addons.core.errors import Problem
from addons.core.translate.compaction import SUMMARY_PREFIX, compaction_item
from addons.core.translate.emitter import Emitter
from addons.core.translate.endings import Client
from addons.core.translate.events import ReasoningDelta, ReasoningDone, Stopped, StopReason
from addons.core.translate.handover import native_body
from addons.core.translate.replay import MARK, seal
from addons.core.turn import ClientRequest
from tests.histories import Item, extensions, request_of

CAP = 1_000_000
USER: Item = {"type": "message", "role": "user", "content": "hi"}
THEIRS: Item = {"type": "reasoning", "id": "rs_0a", "summary": [], "encrypted_content": "gAAAA"}


def body_of(*items: object) -> bytes:
    return orjson.dumps({"model": "gpt-x", "input": list(items), "store": False})


def request(body: bytes, encoding: bytes = b"") -> ClientRequest:
    headers = ((b"content-encoding", encoding),) if encoding else ()
    return ClientRequest("POST", "/v1/responses", headers, body)


def sent(*items: object) -> list[object]:
    body = body_of(*items)
    given_on = native_body(request(body), body, CAP)
    assert isinstance(given_on, bytes)
    found = orjson.loads(given_on)
    assert {**found, "input": None} == {**orjson.loads(body), "input": None}
    assert isinstance(found["input"], list)
    return found["input"]


def answered(*opaque: str) -> list[Item]:
    """The reasoning items that a translated model gives, as a client sends them back."""
    emitter = Emitter("resp_1", 1, "m", {}, Client.CODEX)
    ends = [ReasoningDone(one) for one in opaque] or [ReasoningDone()]
    emitter.emit([ReasoningDelta("hm"), *ends, Stopped(StopReason.LENGTH)])
    output = emitter.response["output"]
    assert isinstance(output, list)
    return output


def without(item: Item, key: str) -> Item:
    return {name: value for name, value in item.items() if name != key}


@pytest.mark.parametrize("body", [body_of(USER, THEIRS), b"", b"{", body_of({"text": "rs_shim_"})])
def test_a_body_with_nothing_of_ours_is_the_same_object(body: bytes) -> None:
    asked = request(body)
    assert native_body(asked, body, CAP) is body
    assert asked.record.dropped == []


def test_words_of_a_user_are_no_reasoning() -> None:
    body = body_of({**USER, "content": f'"{MARK}x" and "rs_shim_1"'})
    assert native_body(request(body), body, CAP) is body


def test_reasoning_of_ours_stays_here_and_that_is_noted() -> None:
    [plain] = answered()
    [sealed] = answered(seal("chat:https://up:m", {"reasoning": "hm"}))
    assert plain["encrypted_content"] is None
    body = body_of(USER, THEIRS, plain, sealed, without(sealed, "id"), USER)
    asked = request(body)
    given_on = native_body(asked, body, CAP)
    assert isinstance(given_on, bytes)
    assert orjson.loads(given_on)["input"] == [USER, THEIRS, USER]
    assert asked.record.dropped == [
        f"input[{place}]: reasoning of another upstream" for place in (2, 3, 4)
    ]


def test_a_summary_of_ours_goes_on_as_text_and_a_foreign_one_as_it_is() -> None:
    foreign = {"type": "compaction", "encrypted_content": "gAAAA"}
    said = sent(compaction_item("we did much", "cmp_1"), foreign, USER)
    text = {"type": "input_text", "text": SUMMARY_PREFIX + "we did much"}
    assert said == [{"type": "message", "role": "user", "content": [text]}, foreign, USER]


def test_a_compressed_body_stays_compressed() -> None:
    packed = zstandard.ZstdCompressor().compress(body_of(USER, *answered()))
    given_on = native_body(request(packed, b"zstd"), packed, CAP)
    assert isinstance(given_on, bytes)
    unpacked = zstandard.ZstdDecompressor().stream_reader(given_on).read()
    assert orjson.loads(unpacked)["input"] == [USER]


def test_a_body_over_the_cap_is_a_problem() -> None:
    packed = zstandard.ZstdCompressor().compress(body_of(*answered()) + b" " * 2_000)
    problem = native_body(request(packed, b"zstd"), packed, 1_000)
    assert isinstance(problem, Problem)
    assert problem.status == 413


@given(extensions())
def test_what_goes_on_is_the_history_without_ours_and_begins_its_extension(
    pair: tuple[list[Item], list[Item]],
) -> None:
    short, long = (sent(*request_input(items)) for items in pair)
    assert long[: len(short)] == short
    assert MARK.encode() not in orjson.dumps(long)
    kept = [item for item in long if item in pair[1]]
    assert len(kept) + sum(
        item["type"] == "compaction" for item in pair[1] if is_ours(item)
    ) == len(long)


def request_input(items: list[Item]) -> list[object]:
    found = request_of(items)["input"]
    assert isinstance(found, list)
    return found


def is_ours(item: Item) -> bool:
    return "type" in item and str(item.get("encrypted_content")).startswith(MARK)
