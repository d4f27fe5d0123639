"""Which reads of a stream bring an event of the answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.sse import MAX_HELD_BYTES, DataEvents

ANSWERS = [
    b'data: {"type":"x"}\n\n',
    b"data: 1\n\n",
    b"data: [DONE]\n\n",
    b'data: {"type":"response.output_text.delta","delta":"ping"}\n\n',
    b'data: {"delta":"keep going","heartbeat":1}\n\n',
    b'event: x\ndata: {"a":null}\n\n',
    b'event: ping\ndata: {"type":"content_block_start"}\n\n',
    b": c\n\ndata: 1\n\n",
    b"data: a\r\n\r\n",
    b"data: a\r\r",
    b'event: ping\ndata: {"type":"ping"}\n\ndata: 1\n\n',
    b"data: " + b"x" * 2 * MAX_HELD_BYTES + b"\n\n",
    b"data: " + b"\n" * 0 + b"y" * 20_000 + b"\n\n",
    b"data:\ndata: 1\n\n",
    b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":" "}}]}\n\n',
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
    b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}}]}\n\n',
    b'data: {"choices":[{"delta":' + b"[" * 900 + b"]" * 900 + b"}]}\n\n",
    b'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}\n\n',
    b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n',
    b'data: {"type":"response.output_item.added","item":{"type":"message"}}\n\n',
    b'data: {"type":"response.output_text.delta","delta":"\\""}\n\n',
    b'data: {"type":"response.created"}\n\ndata: {"type":"response.x.delta","delta":"a"}\n\n',
]
LONG_STATE = (
    b'data: {"type":"response.in_progress","response":{"instructions":"say \\"delta\\":\\"x\\"'
    + b"y" * 20_000
    + b'"}}\n\n'
)
IDLE = [
    b": c\n\n",
    b"\n\n",
    b"event: x\n\n",
    b"data:\n\n",
    b"data: \n\n",
    b"data:\ndata:\n\n",
    b'data: {"type":"ping"}\n\n',
    b'data: {"sequence_number":1,"type":"keepalive"}\n\n',
    b'data: {"type":"response.heartbeat"}\n\n',
    b"event: ping\ndata: {}\n\n",
    b"event: heartbeat\ndata: null\n\n",
    b"data: ping\n\n",
    b"data: [PING]\n\n",
    b'data: "pong"\n\n',
    b"xdata: 1\n\n",
    b": data: 1\n\n",
    b": " + b"data: " * MAX_HELD_BYTES + b"\n\n",
    b"event: x\ndata: {}\n\n",
    b"data: null\n\n",
    b"data: []\n\n",
    b'data: ""\n\n',
    b'data: {"id":"c","object":"chat.completion.chunk","choices":[],"usage":null}\n\n',
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":null}]}\n\n',
    b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n',
    b'data: {"choices":[{"delta":{"content":null,"tool_calls":[]},"logprobs":null}]}\n\n',
    b'data: {"type":"message_start","message":{"content":[]}}\n\n',
    b'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":""}}\n\n',
    b'data: {"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":1}}\n\n',
    b'event: response.created\ndata: {"type":"response.created","response":{}}\n\n',
    b'data: {"type": "response.in_progress", "response": {"status": "in_progress"}}\n\n',
    b'data: {"sequence_number":2,"type":"response.queued"}\n\n',
    b'data: {"type":"response.output_text.delta","delta":"","obfuscation":"x"}\n\n',
    LONG_STATE,
    b"event: response.in_progress\n" + LONG_STATE,
]


@pytest.mark.parametrize("event", ANSWERS)
def test_event_of_the_answer_counts_in_the_read_that_ends_it(event: bytes) -> None:
    assert DataEvents().feed(event)
    events = DataEvents()
    found = [events.feed(event[i : i + 1]) for i in range(len(event))]
    assert found.count(True) == 1
    if b"\r" not in event and not event.startswith(b"event: ping\ndata: {" + b'"type":"ping"}'):
        assert found[-1]


@pytest.mark.parametrize("event", IDLE)
def test_other_events_never_count(event: bytes) -> None:
    for size in (len(event), 1, 2, 7, 600):
        events = DataEvents()
        for _ in range(3):
            assert not any(events.feed(event[i : i + size]) for i in range(0, len(event), size))


def test_unfinished_event_does_not_count() -> None:
    events = DataEvents()
    assert not any(events.feed(each) for each in [b"data: ", *([b"x" * 100] * 100)])
    assert events.feed(b"\n\n")
    assert not events.feed(b": c\n\n")


@given(st.lists(st.sampled_from(ANSWERS[:6] + IDLE[:6]), max_size=6), st.integers(1, 40))
def test_any_cut_finds_an_answer_if_there_is_one(parts: list[bytes], size: int) -> None:
    stream = b"".join(parts)
    events = DataEvents()
    found = True in [events.feed(stream[i : i + size]) for i in range(0, len(stream), size)]
    assert found == any(part in ANSWERS for part in parts)


@given(st.lists(st.binary(max_size=700), max_size=20))
def test_any_bytes_are_taken(parts: list[bytes]) -> None:
    events = DataEvents()
    for part in parts:
        events.feed(part)
