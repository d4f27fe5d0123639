from __future__ import annotations

import itertools

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.responses.observer import MAX_UNKNOWN, StreamObserver
from addons.core.protocols.sse import SseReader, parse_block
from addons.core.secrets import Origin
from addons.core.turn import Fault, FaultKind
from addons.core.usage import Usage

LIMIT = 1 << 20
USAGE = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 17,
}


def event(kind: str, **fields: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), orjson.dumps({"type": kind, **fields}))


RESPONSE = {"id": "resp_1", "model": "gpt-x", "created_at": 7, "tools": [{"type": "web_search"}]}
CREATED = event(
    "response.created", sequence_number=0, response={**RESPONSE, "status": "in_progress"}
)
DELTA = event("response.output_text.delta", sequence_number=1, delta="hi")
COMPLETED = event("response.completed", sequence_number=2, response={**RESPONSE, "usage": USAGE})
RATE_LIMITS = event("codex.rate_limits", rate_limits={"primary": {"used_percent": 3}})


def observe(*reads: bytes, limit: int = LIMIT) -> StreamObserver:
    observer = StreamObserver(limit)
    for data in reads:
        assert observer.feed(data) is data
    return observer


def failure(closing: bytes) -> dict[str, object]:
    (block,) = SseReader(LIMIT).feed(closing)
    only = parse_block(block)
    assert only
    assert only.name == "response.failed"
    value = orjson.loads(only.data)
    assert isinstance(value, dict)
    return value


def test_complete_stream_is_unchanged_and_observed() -> None:
    observer = observe(CREATED, DELTA, RATE_LIMITS, COMPLETED)
    assert observer.terminal
    assert observer.terminal_type == "response.completed"
    assert observer.response_id == "resp_1"
    assert observer.usage == Usage(10, 4, 7, 3, 17, 2)
    assert observer.rate_limits == orjson.loads(RATE_LIMITS.split(b"data: ")[1])
    assert observer.finish() == b""
    assert observer.fail(Fault(FaultKind.CUT, "late")) == b""


@pytest.mark.parametrize(
    "kind", ["response.completed", "response.failed", "response.incomplete", "error"]
)
@pytest.mark.parametrize("form", ["%(event)s%(data)s\n\n", "%(data)s\n\n", "%(data)s\nid: 4\n\n"])
@pytest.mark.parametrize(
    "json",
    ['{"type":"%s"}', '{"type": "%s", "response": {}}', '{"item":{"type":"message"},"type":"%s"}'],
)
def test_terminal_event_is_recognized_in_every_form(kind: str, form: str, json: str) -> None:
    stream = form % {"event": f"event: {kind}\n", "data": "data: " + json % kind}
    observer = observe(CREATED, stream.encode())
    assert observer.terminal
    assert observer.finish() == b""


@pytest.mark.parametrize("newline", [b"\r\n", b"\r"])
def test_line_endings_are_equivalent(newline: bytes) -> None:
    assert observe((CREATED + DELTA + COMPLETED).replace(b"\n", newline)).terminal


@pytest.mark.parametrize(
    "data",
    [
        event("response.output_text.delta", delta="response.completed"),
        event("response.output_text.delta", delta='event: error\n\ndata: {"type":"error"}'),
        event("response.output_text.delta", delta="data: response.failed\n\n"),
        b'data: {"type":"response.output_text.delta","delta":"{\\"type\\":\\"response.completed\\"}"}\n\n',
        b": response.completed\n\n",
        event("response.completed.almost"),
        b'event: response.completed\ndata: {"type":"response.completed","resp\n\n',
        b"event: response.completed\n\n",
    ],
)
def test_mention_of_a_terminal_event_is_not_one(data: bytes) -> None:
    assert not observe(CREATED, data).terminal


def test_unknown_events_are_named_once_and_within_a_bound() -> None:
    planted = event("response.planted", delta="x")
    observer = observe(CREATED, planted, DELTA, planted, event("keepalive"), DELTA, COMPLETED)
    assert observer.summarize().unknown_events == ("response.planted",)
    assert observe(CREATED, DELTA, COMPLETED).summarize().unknown_events == ()
    many = [event(f"response.planted.n{number}") for number in range(MAX_UNKNOWN + 3)]
    assert len(observe(CREATED, *many).summarize().unknown_events) == MAX_UNKNOWN


def test_type_that_is_no_name_is_not_kept() -> None:
    types = (b"x" * 100_000, b"two words", b"\xff\xfe", b"\x1b[31m", "ü".encode())
    stream = b"".join(b'data: {"type":"%s"}\n\n' % one for one in types)
    assert observe(CREATED, stream).summarize().unknown_events == ()


def test_truncated_stream_fails_with_the_announced_response() -> None:
    value = failure(observe(CREATED, DELTA, RATE_LIMITS, b": ping\n\n").finish())
    assert value["sequence_number"] == 2
    response = value["response"]
    assert isinstance(response, dict)
    assert response.items() >= {**RESPONSE, "status": "failed"}.items()
    assert response["error"]["code"] == "stream_interrupted"


def test_failure_before_the_announcement_is_a_complete_event() -> None:
    value = failure(observe().finish())
    assert value["sequence_number"] == 0
    assert isinstance(value["response"], dict)
    assert value["response"]["id"]


@pytest.mark.parametrize(
    ("kind", "code"),
    [(FaultKind.STALL, "upstream_stalled"), (FaultKind.SHUTDOWN, "shutting_down"), (FaultKind.CUT, "stream_interrupted")],
)  # fmt: skip
def test_each_fault_has_its_code(kind: FaultKind, code: str) -> None:
    observer = observe(CREATED)
    origin = Origin("https", "up.example", 443)
    response = failure(observer.fail(Fault(kind, "300 s", origin)))["response"]
    assert isinstance(response, dict)
    assert response["error"]["code"] == code
    assert observer.terminal
    assert observer.terminal_type == "response.failed"


def test_nothing_follows_the_failure() -> None:
    observer = observe(CREATED)
    assert observer.finish()
    assert observer.finish() == b""
    assert observer.fail(Fault(FaultKind.STALL, "late")) == b""
    assert observer.usage is None


def test_terminal_event_without_its_blank_line_is_completed() -> None:
    for cut in (1, 2):
        observer = observe(CREATED, COMPLETED[:-cut])
        assert not observer.terminal
        assert observer.finish() == b"\n\n"
        assert observer.terminal
        assert observer.usage == Usage(10, 4, 7, 3, 17, 2)


TERMINAL = {"response.completed", "response.failed"}


def test_stream_cut_at_any_byte_has_one_terminal_event() -> None:
    stream = CREATED + DELTA + COMPLETED
    for cut in range(len(stream) + 1):
        sent = stream[:cut]
        observer = observe(sent)
        closing = observer.finish()
        between = b"" if observer.terminal and not closing else b"\n\n"
        types = [
            orjson.loads(event.data)["type"]
            for block in SseReader(LIMIT).feed(sent + between + closing)
            if (event := parse_block(block))
            if event.data.endswith(b"}") and event.data.count(b"{") == event.data.count(b"}")
        ]
        assert len(TERMINAL.intersection(types)) == 1, f"cut after byte {cut}"


@given(st.lists(st.integers(0, 2000), max_size=8))
def test_any_split_observes_the_same(cuts: list[int]) -> None:
    stream = CREATED + DELTA + RATE_LIMITS + COMPLETED
    edges = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    observer = observe(*(stream[a:b] for a, b in itertools.pairwise(edges)))
    assert observer.terminal
    assert observer.response_id == "resp_1"
    assert observer.rate_limits is not None


@given(st.lists(st.binary(max_size=80) | st.sampled_from([CREATED, DELTA, COMPLETED]), max_size=6))
def test_any_bytes_end_with_a_terminal_event(reads: list[bytes]) -> None:
    observer = observe(*reads, limit=100)
    observer.finish()
    assert observer.terminal


def test_oversized_terminal_event_is_recognized() -> None:
    big = event("response.completed", response={**RESPONSE, "output": ["x" * 2000]})
    for reads in ([big], [big[:1500], big[1500:]], [big[i : i + 1] for i in range(len(big))]):
        observer = observe(CREATED, *reads, limit=1000)
        assert observer.terminal
        assert observer.usage is None
    assert not observe(event("response.output_text.delta", delta="x" * 2000), limit=1000).terminal


@pytest.mark.parametrize(
    ("value", "usage"),
    [
        (USAGE, Usage(10, 4, 7, 3, 17, 2)),
        ({**USAGE, "input_tokens_details": {"cached_tokens": 4}}, Usage(10, 4, 7, 3, 17)),
        ({"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}, Usage(1, 0, 2, 0, 3)),
        ({**USAGE, "input_tokens_details": None}, Usage(10, 0, 7, 3, 17)),
        ({"input_tokens": 1, "output_tokens": 2}, None),
        ({"input_tokens": "1", "output_tokens": 2, "total_tokens": 3}, None),
        ({"input_tokens": True, "output_tokens": 2, "total_tokens": 3}, None),
        (None, None),
        ([], None),
    ],
)
def test_usage_is_read_as_integers(value: object, usage: Usage | None) -> None:
    assert Usage.of(value) == usage


def test_usage_is_written_as_clients_validate_it() -> None:
    assert Usage(10, 4, 7, 3, 17, 2).to_response() == USAGE


def test_oversized_counts_are_written_as_valid_integers() -> None:
    most = 2**64 - 1
    usage = Usage(most, most, most, most, most + most, most)
    written = orjson.loads(orjson.dumps([usage.to_response(), usage.plain()]))
    assert written[0]["total_tokens"] == written[1]["input"] == 2**53 - 1


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        (b'event: response.completed\ndata: {"type":"response.output_text.delta","delta":"x"}', ""),
        (b'event: response.failed\ndata: {"delta":"x","type":"response.output_text.delta"}', ""),
        (b'event: error\ndata: {"x":1}', ""),
        (b"event: response.completed\ndata: [DONE]", ""),
        (b"event: response.completed", ""),
        (b'event: ping\ndata: {"type":"response.completed","response":{}}', "response.completed"),
        (b'event: response.created\ndata: {"response":{},"type":"response.failed"}', "response.failed"),
        (b'event: ping\ndata: {"response":{},\ndata: "type" : "response.completed"}', "response.completed"),
        (b'data: { "type" : "error" }', "error"),
        (b'event: x\ndata: {"response":{"type":"response.completed"},"type":"y"}', ""),
        (b'event: x\ndata: {"delta":"\\"type\\":\\"error\\"","type":"z"}', ""),
    ],
)  # fmt: skip
def test_type_in_the_json_decides_and_not_the_name_of_the_event(block: bytes, kind: str) -> None:
    observer = StreamObserver(10_000)
    observer.feed(block + b"\n\n")
    assert observer.terminal_type == kind
    closing = observer.finish()
    assert bool(closing) is not bool(kind)
