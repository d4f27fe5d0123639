"""Stored answers of a translated row that later requests reference, and compactions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import orjson
import pytest

from addons.core.errors import Problem
from addons.core.headers import Headers
from addons.core.protocols.canonical.conversation import Conversation
from addons.core.protocols.responses.compaction import read_compaction
from addons.core.protocols.responses.response_store import ResponseStore
from addons.core.turn import Collect, Head
from tests.conformance import parse
from tests.core.providers.rows import CODEX, SDK, FakeTranslator, read, request
from tests.core.providers.translated_turns import (
    SSE,
    answered,
    error_of,
    refused,
    started,
    stream_of,
)


@pytest.mark.parametrize("stream", [True, False])
def test_answer_can_be_referenced(stream: bool) -> None:
    memory, translator = ResponseStore(), FakeTranslator()
    plan = started(request(SDK, stream=stream), memory=memory)
    step = plan.on_head(SSE)
    if stream:
        stream_of(step, b"hello\nstop\n")
    else:
        plan.on_body(SSE, b"hello\nstop\n")
    turn = request(SDK, input="more", previous_response_id="resp_seed")
    started(turn, memory=memory, translator=translator)
    text = orjson.dumps([one.parts[0].text for one in translator.written[0].items])  # type: ignore[union-attr]
    assert all(word in text for word in (b"hi", b"hello", b"more"))


def test_answer_repeats_the_reference() -> None:
    memory = ResponseStore()
    stream_of(started(request(SDK), memory=memory).on_head(SSE), b"hello\nstop\n")
    turn = request(SDK, input="more", previous_response_id="resp_seed")
    step = started(turn, memory=memory).on_head(SSE)
    assert parse(stream_of(step, b"stop\n"))[0]["response"]["previous_response_id"] == "resp_seed"


def test_failed_answers_and_codex_turns_are_not_stored() -> None:
    memory = ResponseStore()
    stream_of(started(request(SDK), memory=memory).on_head(SSE), b"half")
    stream_of(started(request(CODEX, store=False), memory=memory).on_head(SSE), b"a\nstop\n")
    assert len(memory) == 0


@pytest.mark.parametrize("headers", [CODEX, SDK])
@pytest.mark.parametrize("stream", [True, False])
def test_compact_path_answers_one_item_and_never_a_stream(headers: Headers, stream: bool) -> None:
    translator = FakeTranslator()
    turn = request(headers, path="/v1/responses/compact", stream=stream)
    plan = started(turn, translator=translator)
    assert translator.written[0].wants_compaction
    assert isinstance(plan.on_head(SSE), Collect)
    status, body = answered(plan.on_body(SSE, b"we did this\nstop\n"))
    answer = orjson.loads(body)
    (item,) = answer["output"]
    assert (status, answer["object"], item["type"]) == (200, "response.compaction", "compaction")
    assert answer["id"].startswith("resp_")
    assert isinstance(answer["created_at"], int)
    assert "we did this" in str(read_compaction(item))


@pytest.mark.parametrize(
    ("headers", "upstream", "status"), [(CODEX, 401, 400), (CODEX, 500, 400), (SDK, 401, 401)]
)
def test_compact_path_fails_with_a_status(headers: Headers, upstream: int, status: int) -> None:
    step = refused(started(request(headers, path="/v1/responses/compact")), Head(upstream))
    assert error_of(step)["status"] == status


def test_compaction_trigger_streams_one_item() -> None:
    def read_trigger(payload: Mapping[str, object], reasoning_scope: str) -> Conversation | Problem:
        conversation = read(payload, reasoning_scope)
        assert isinstance(conversation, Conversation)
        return replace(conversation, wants_compaction=True)

    step = started(read=read_trigger).on_head(SSE)
    events = parse(stream_of(step, b"we did this\n", b"stop\n"))
    done = [event["item"]["type"] for event in events if event["type"].endswith("item.done")]
    assert (done, events[-1]["type"]) == (["compaction"], "response.completed")
    plan = started(request(SDK, stream=False), read=read_trigger)
    plan.on_head(SSE)
    whole = orjson.loads(answered(plan.on_body(SSE, b"we did this\nstop\n"))[1])
    assert (whole["object"], whole["status"]) == ("response", "completed")
    assert [item["type"] for item in whole["output"]] == ["compaction"]
