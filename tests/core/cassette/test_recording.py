"""How a finished turn becomes a recorded one."""

from __future__ import annotations

import zstandard

from addons.core.cassette.format import COMPLETE, CUT
from addons.core.cassette.recording import FinishedTurn, record
from addons.core.masking.mask import mask_of
from addons.core.secrets import Secret
from tests.core.cassette.turns import DONE

KEY = "row-key-5f1e-8a2b-93cd"
MASK = mask_of([Secret(KEY)])
SSE = (b"content-type", b"text/event-stream")


def finished(*chunks: tuple[float, bytes], **fields: object) -> FinishedTurn:
    values: dict[str, object] = {
        "method": "POST", "path": "/v1/responses", "transport": "http", "thread": "t", "agent": "user", "slug": "m",
        "headers": ((b"x-test", KEY.encode()),), "body": b'{"input":"%s"}' % KEY.encode(), "status": 200,
        "answer_headers": (SSE,), "chunks": chunks, "mask": MASK, "model": {}, **fields,
    }  # fmt: skip
    return FinishedTurn(**values)  # type: ignore[arg-type]


def test_each_event_has_the_time_of_its_last_byte() -> None:
    done = DONE.encode()
    turn = record(finished((0.1, b"data: {}\n\ndata: {"), (0.52, b"}\n\n" + done)), 1000)
    assert turn.answer.parts == ((0.1, "data: {}\n\n"), (0.52, "data: {}\n\n"), (0.52, DONE))
    assert turn.answer.ended == COMPLETE


def test_stream_without_a_terminal_event_is_cut() -> None:
    turn = record(finished((0.1, b"data: {}\n\ndata: half")), 1000)
    assert turn.answer.parts == ((0.1, "data: {}\n\n"), (0.1, "data: half"))
    assert turn.answer.ended == CUT


def test_secrets_of_the_turn_are_masked_everywhere() -> None:
    half = len(KEY) // 2
    events = b"".join(
        b'data: {"delta":"%s"}\n\n' % part.encode() for part in (KEY[:half], KEY[half:])
    )
    turn = record(finished((0.0, events), path=f"/v1/responses?key={KEY}"), 1000)
    assert KEY not in str(turn)
    assert KEY[:half] not in str(turn)
    assert turn.request.body == '{"input":"<secret>"}'


def test_heartbeats_are_left_out() -> None:
    beat = b'event: response.heartbeat\ndata: {"type":"response.heartbeat"}\n\n'
    turn = record(finished((0.0, beat), (1.0, DONE.encode())), 1000)
    assert turn.answer.parts == ((1.0, DONE),)


def test_compressed_request_is_recorded_as_text() -> None:
    headers = ((b"content-encoding", b"zstd"),)
    packed = zstandard.ZstdCompressor().compress(b'{"input":"hi"}')
    assert record(finished(headers=headers, body=packed), 1000).request.body == '{"input":"hi"}'
    refused = record(finished(headers=headers, body=b"no zstd"), 1000)
    assert "not zstd" in refused.request.body


def test_answer_that_is_no_stream_is_one_part() -> None:
    turn = record(finished((0.2, b"{"), (0.4, b"}"), answer_headers=(), status=500), 1000)
    assert (turn.answer.status, turn.answer.parts) == (500, ((0.4, "{}"),))
    assert record(finished(answer_headers=()), 1000).answer.parts == ((0.0, ""),)
