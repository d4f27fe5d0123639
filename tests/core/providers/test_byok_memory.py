"""Answers of a translated row that are referred to later, and compactions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import orjson
import pytest

from addons.core.errors import Problem
from addons.core.headers import Headers
from addons.core.memory import Memory
from addons.core.translate.compaction import read_compaction
from addons.core.translate.conversation import Conversation
from addons.core.turn import Collect, Head
from tests.conformance import parse
from tests.core.providers.byok_turns import SSE, answered, error_of, refused, started, stream_of
from tests.core.providers.rows import CODEX, SDK, Parrot, read, request


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_can_be_referred_to(stream: bool) -> None:
    memory, dialect = Memory(), Parrot()
    plan = started(request(SDK, stream=stream), memory=memory)
    step = plan.on_head(SSE)
    if stream:
        stream_of(step, b"hello\nstop\n")
    else:
        plan.on_body(SSE, b"hello\nstop\n")
    asked = request(SDK, input="more", previous_response_id="resp_seed")
    started(asked, memory=memory, dialect=dialect)
    text = orjson.dumps([one.parts[0].text for one in dialect.written[0].items])  # type: ignore[union-attr]
    assert all(word in text for word in (b"hi", b"hello", b"more"))


def test_the_answer_to_a_reference_repeats_it() -> None:
    memory = Memory()
    stream_of(started(request(SDK), memory=memory).on_head(SSE), b"hello\nstop\n")
    asked = request(SDK, input="more", previous_response_id="resp_seed")
    step = started(asked, memory=memory).on_head(SSE)
    assert parse(stream_of(step, b"stop\n"))[0]["response"]["previous_response_id"] == "resp_seed"


def test_a_failed_answer_and_codex_turns_are_not_kept() -> None:
    memory = Memory()
    stream_of(started(request(SDK), memory=memory).on_head(SSE), b"half")
    stream_of(started(request(CODEX, store=False), memory=memory).on_head(SSE), b"a\nstop\n")
    assert len(memory) == 0


@pytest.mark.parametrize("headers", [CODEX, SDK])
@pytest.mark.parametrize("stream", [True, False])
def test_the_unary_path_gives_one_item_and_never_a_stream(headers: Headers, stream: bool) -> None:
    dialect = Parrot()
    asked = request(headers, path="/v1/responses/compact", stream=stream)
    plan = started(asked, dialect=dialect)
    assert dialect.written[0].wants_compaction
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
def test_the_unary_path_fails_with_a_status(headers: Headers, upstream: int, status: int) -> None:
    step = refused(started(request(headers, path="/v1/responses/compact")), Head(upstream))
    assert error_of(step)["status"] == status


def test_a_trigger_gives_a_stream_of_one_item() -> None:
    def read_trigger(payload: Mapping[str, object], lineage: str) -> Conversation | Problem:
        conversation = read(payload, lineage)
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
