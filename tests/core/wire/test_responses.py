from __future__ import annotations

import itertools

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.credential import Origin
from addons.core.turn import Fault, FaultKind
from addons.core.usage import Usage
from addons.core.wire.responses import Watcher
from addons.core.wire.sse import SseReader, parse_block

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


def watch(*reads: bytes, limit: int = LIMIT) -> Watcher:
    watcher = Watcher(limit)
    for data in reads:
        assert watcher.feed(data) is data
    return watcher


def failure(closing: bytes) -> dict[str, object]:
    (block,) = SseReader(LIMIT).feed(closing)
    only = parse_block(block)
    assert only
    assert only.name == "response.failed"
    value = orjson.loads(only.data)
    assert isinstance(value, dict)
    return value


def test_a_whole_stream_is_left_alone_and_understood() -> None:
    watcher = watch(CREATED, DELTA, RATE_LIMITS, COMPLETED)
    assert watcher.terminal
    assert watcher.terminal_type == "response.completed"
    assert watcher.response_id == "resp_1"
    assert watcher.usage == Usage(10, 4, 7, 3, 17, 2)
    assert watcher.rate_limits == orjson.loads(RATE_LIMITS.split(b"data: ")[1])
    assert watcher.finish() == b""
    assert watcher.fail(Fault(FaultKind.CUT, "late")) == b""


@pytest.mark.parametrize(
    "kind", ["response.completed", "response.failed", "response.incomplete", "error"]
)
@pytest.mark.parametrize("form", ["%(event)s%(data)s\n\n", "%(data)s\n\n", "%(data)s\nid: 4\n\n"])
@pytest.mark.parametrize(
    "json",
    ['{"type":"%s"}', '{"type": "%s", "response": {}}', '{"item":{"type":"message"},"type":"%s"}'],
)
def test_a_terminal_event_is_known_in_every_form(kind: str, form: str, json: str) -> None:
    stream = form % {"event": f"event: {kind}\n", "data": "data: " + json % kind}
    watcher = watch(CREATED, stream.encode())
    assert watcher.terminal
    assert watcher.finish() == b""


@pytest.mark.parametrize("newline", [b"\r\n", b"\r"])
def test_other_line_ends_are_understood(newline: bytes) -> None:
    assert watch((CREATED + DELTA + COMPLETED).replace(b"\n", newline)).terminal


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
def test_what_only_mentions_a_terminal_event_does_not_fool_it(data: bytes) -> None:
    assert not watch(CREATED, data).terminal


def test_a_body_that_ends_too_soon_fails_in_the_announced_name() -> None:
    value = failure(watch(CREATED, DELTA, RATE_LIMITS, b": ping\n\n").finish())
    assert value["sequence_number"] == 2
    response = value["response"]
    assert isinstance(response, dict)
    assert response.items() >= {**RESPONSE, "status": "failed"}.items()
    assert response["error"]["code"] == "stream_interrupted"


def test_a_failure_before_anything_was_announced_is_still_a_whole_event() -> None:
    value = failure(watch().finish())
    assert value["sequence_number"] == 0
    assert isinstance(value["response"], dict)
    assert value["response"]["id"]


@pytest.mark.parametrize(
    ("kind", "code"),
    [(FaultKind.STALL, "upstream_stalled"), (FaultKind.SHUTDOWN, "shutting_down"), (FaultKind.CUT, "stream_interrupted")],
)  # fmt: skip
def test_each_fault_has_its_code(kind: FaultKind, code: str) -> None:
    watcher = watch(CREATED)
    origin = Origin("https", "up.example", 443)
    response = failure(watcher.fail(Fault(kind, "300 s", origin)))["response"]
    assert isinstance(response, dict)
    assert response["error"]["code"] == code
    assert watcher.terminal
    assert watcher.terminal_type == "response.failed"


def test_nothing_follows_its_own_failure() -> None:
    watcher = watch(CREATED)
    assert watcher.finish()
    assert watcher.finish() == b""
    assert watcher.fail(Fault(FaultKind.STALL, "late")) == b""
    assert watcher.usage is None


def test_a_terminal_event_that_lacks_only_its_blank_line_is_given_that() -> None:
    for cut in (1, 2):
        watcher = watch(CREATED, COMPLETED[:-cut])
        assert not watcher.terminal
        assert watcher.finish() == b"\n\n"
        assert watcher.terminal
        assert watcher.usage == Usage(10, 4, 7, 3, 17, 2)


TERMINAL = {"response.completed", "response.failed"}


@pytest.mark.parametrize("cut", range(len(CREATED + DELTA + COMPLETED) + 1))
def test_every_cut_ends_in_exactly_one_terminal_event(cut: int) -> None:
    sent = (CREATED + DELTA + COMPLETED)[:cut]
    watcher = watch(sent)
    closing = watcher.finish()
    between = b"" if watcher.terminal and not closing else b"\n\n"
    types = [
        orjson.loads(event.data)["type"]
        for block in SseReader(LIMIT).feed(sent + between + closing)
        if (event := parse_block(block))
        if event.data.endswith(b"}") and event.data.count(b"{") == event.data.count(b"}")
    ]
    assert len(TERMINAL.intersection(types)) == 1


@given(st.lists(st.integers(0, 2000), max_size=8))
def test_the_cuts_between_reads_change_nothing(cuts: list[int]) -> None:
    stream = CREATED + DELTA + RATE_LIMITS + COMPLETED
    edges = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    watcher = watch(*(stream[a:b] for a, b in itertools.pairwise(edges)))
    assert watcher.terminal
    assert watcher.response_id == "resp_1"
    assert watcher.rate_limits is not None


@given(st.lists(st.binary(max_size=80) | st.sampled_from([CREATED, DELTA, COMPLETED]), max_size=6))
def test_no_input_makes_it_raise(reads: list[bytes]) -> None:
    watcher = watch(*reads, limit=100)
    watcher.finish()
    assert watcher.terminal


def test_an_event_over_the_limit_passes_and_its_end_is_still_known() -> None:
    big = event("response.completed", response={**RESPONSE, "output": ["x" * 2000]})
    for reads in ([big], [big[:1500], big[1500:]], [big[i : i + 1] for i in range(len(big))]):
        watcher = watch(CREATED, *reads, limit=1000)
        assert watcher.terminal
        assert watcher.usage is None
    assert not watch(event("response.output_text.delta", delta="x" * 2000), limit=1000).terminal


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
def test_usage_is_read_as_integers_or_not_at_all(value: object, usage: Usage | None) -> None:
    assert Usage.of(value) == usage


def test_usage_is_written_as_clients_validate_it() -> None:
    assert Usage(10, 4, 7, 3, 17, 2).wire() == USAGE


def test_nonsensical_counts_do_not_break_the_event_that_ends_a_turn() -> None:
    most = 2**64 - 1
    usage = Usage(most, most, most, most, most + most, most)
    written = orjson.loads(orjson.dumps([usage.wire(), usage.plain()]))
    assert written[0]["total_tokens"] == written[1]["input"] == 2**53 - 1
