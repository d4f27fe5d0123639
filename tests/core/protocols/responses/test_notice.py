"""The line of the shim in front of an answer: valid events in order, whatever the reads and the end of the stream."""

from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.json_values import JsonObject, as_object
from addons.core.protocols.canonical.opaque_reasoning import NOTICE
from addons.core.protocols.canonical.tools import UpstreamNames
from addons.core.protocols.responses.notice import begins_with_user, with_notice
from addons.core.protocols.responses.observer import StreamObserver
from addons.core.protocols.responses.request import ItemReader
from addons.core.turn import ClientRequest, Fault, FaultKind

TEXT = "**Another model answers**\n\na is used up; answered by b."
LIMIT = 1_000_000


def event(kind: str, **fields: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **fields}))


CREATED = event("response.created", sequence_number=0, response={"id": "resp_9", "output": []})
STARTED = event("response.in_progress", sequence_number=1, response={"id": "resp_9"})
ADDED = event("response.output_item.added", sequence_number=2, output_index=0, item={"id": "m"})
# Model text may hold anything, also what looks like a field.
DELTA = event(
    "response.output_text.delta", sequence_number=3, output_index=0, delta='"output_index":7,'
)
COMPLETED = event(
    "response.completed", sequence_number=4, response={"id": "resp_9", "output": [{"id": "m"}]}
)
STREAM = CREATED + STARTED + ADDED + DELTA + COMPLETED


def events(stream: bytes) -> list[JsonObject]:
    return [
        as_object(orjson.loads(block.split(b"data: ", 1)[1]))
        for block in stream.split(b"\n\n")
        if b"data: " in block
    ]


def translated(stream: bytes, cuts: list[int] | None = None) -> bytes:
    translator, at, out = with_notice(StreamObserver(LIMIT), TEXT, LIMIT), 0, []
    for cut in sorted(cuts or []):
        out.append(translator.feed(stream[at:cut]))
        at = cut
    out += [translator.feed(stream[at:]), translator.finish()]
    assert translator.terminal
    return b"".join(out)


def test_notice_is_a_whole_item_before_the_answer() -> None:
    found = events(translated(STREAM))
    kinds = [one["type"] for one in found]
    assert kinds[:3] == ["response.created", "response.in_progress", "response.output_item.added"]
    assert kinds[-3:] == [
        "response.output_item.added",
        "response.output_text.delta",
        "response.completed",
    ]
    item = as_object(found[7]["item"])
    assert item["summary"] == [{"type": "summary_text", "text": TEXT}]
    assert "".join(str(one["delta"]) for one in found[2:8] if "delta" in one) == TEXT
    assert [one["sequence_number"] for one in found] == list(range(len(found)))
    assert [one["output_index"] for one in found if "output_index" in one] == [0] * 6 + [1, 1]
    assert found[-2]["delta"] == '"output_index":7,'


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_any_split_into_reads_gives_the_same_bytes(cuts: list[int]) -> None:
    assert translated(STREAM, cuts) == translated(STREAM)


def test_answer_that_fails_at_once_stays_as_it_is() -> None:
    failed = CREATED + event("response.failed", sequence_number=1, response={"id": "resp_9"})
    assert translated(failed) == failed
    alone = event("error", sequence_number=0, message="no")
    assert translated(alone + b"event: tail") == alone + b"event: tail"


def test_events_before_the_answer_pass() -> None:
    limits = event("codex.rate_limits", rate_limits={})
    assert translated(b": beat\n\n" + limits + STREAM).startswith(b": beat\n\n" + limits + CREATED)


LARGE = event(
    "response.output_item.done", sequence_number=4, output_index=0, item={"result": "y" * 2_000}
)
WITH_LARGE = CREATED + STARTED + ADDED + LARGE + DELTA + COMPLETED


def read_in(stream: bytes, cuts: list[int], limit: int) -> bytes:
    translator = with_notice(StreamObserver(limit), TEXT, limit)
    edges = [0, *sorted(cuts), len(stream)]
    out = [translator.feed(stream[at:end]) for at, end in pairwise(edges)]
    return b"".join((*out, translator.finish()))


@given(st.lists(st.integers(0, len(WITH_LARGE)), max_size=8))
def test_event_that_is_too_large_to_be_held_is_passed_on(cuts: list[int]) -> None:
    assert read_in(WITH_LARGE, cuts, 500) == read_in(WITH_LARGE, [], LIMIT)


@given(st.lists(st.integers(0, len(WITH_LARGE) + 36), max_size=8))
def test_line_ends_of_a_large_event_may_be_cut(cuts: list[int]) -> None:
    """A blank line is one, whether its line ends come together or not."""
    out = read_in(WITH_LARGE.replace(b"\n", b"\r\n"), cuts, 500)
    assert events(out.replace(b"\r\n", b"\n").replace(b"\r", b"\n")) == events(
        read_in(WITH_LARGE, [], LIMIT)
    )


def test_large_event_before_the_notice_leaves_the_answer_as_it_is() -> None:
    stream = CREATED + LARGE + COMPLETED
    assert read_in(stream, [len(CREATED) + 1_000], 500) == stream


def test_failure_inside_a_large_event_is_passed_on() -> None:
    translator = with_notice(StreamObserver(500), TEXT, 500)
    translator.feed(CREATED + ADDED + LARGE[:1_000])
    assert b"response.failed" in translator.fail(Fault(FaultKind.CUT, "cut"))


@pytest.mark.parametrize("cut", range(len(CREATED), len(STREAM) - len(COMPLETED), 7))
def test_cut_answer_ends_with_one_failure_and_no_half_event(cut: int) -> None:
    translator = with_notice(StreamObserver(LIMIT), TEXT, LIMIT)
    out = translator.feed(STREAM[:cut]) + translator.fail(Fault(FaultKind.CUT, "cut"))
    found = events(out)
    assert [one["type"] for one in found].count("response.failed") == 1
    numbers = [one["sequence_number"] for one in found]
    assert numbers == list(range(len(numbers)))
    assert out.endswith(b"\n\n")


def test_notice_is_no_part_of_the_history() -> None:
    notice = {
        "type": "reasoning",
        "id": "rs_shim_notice_1",
        "summary": [{"type": "summary_text", "text": TEXT}],
        "encrypted_content": NOTICE,
    }
    reader = ItemReader("scope", UpstreamNames(()))
    reader.read(notice, "input[0]")
    assert (reader.items, reader.dropped) == ([], [])


@pytest.mark.parametrize(
    ("items", "begins"),
    [
        ([{"role": "user"}], True),
        ("hello", True),
        ([{"role": "user"}, {"type": "function_call_output"}], False),
        ([], False),
        (None, False),
        ([7], False),
    ],
)
def test_turn_begins_with_a_message_of_the_user(items: object, begins: bool) -> None:
    body = orjson.dumps({"input": items})
    assert begins_with_user(ClientRequest("POST", "/responses", (), body), LIMIT) is begins


def test_unreadable_body_begins_nothing() -> None:
    for body in (b"", b"[", b"[]", b"7"):
        assert not begins_with_user(ClientRequest("POST", "/responses", (), body), LIMIT)
    zstd = ((b"content-encoding", b"zstd"),)
    assert not begins_with_user(ClientRequest("POST", "/responses", zstd, b"no"), LIMIT)
