from __future__ import annotations

import orjson
import pytest

from addons.core.credential import Origin
from addons.core.errors import (
    FAULTS,
    Problem,
    failed_event,
    failed_stream,
    problem_of,
    sse_event,
    told,
)
from addons.core.turn import Fault, FaultKind

PROBLEM = Problem(404, "model_not_found", 'no "x"\nhere')
FINAL = {"invalid_prompt"}
"""The codes at which Codex stops and shows the message (Codex 0.169)."""


def test_a_problem_is_told_in_openais_shape() -> None:
    reply = PROBLEM.reply()
    assert reply.head.status == 404
    assert reply.head.header(b"content-type") == b"application/json"
    assert reply.head.header(b"cache-control") == b"no-store"
    assert orjson.loads(reply.body) == {
        "error": {
            "message": PROBLEM.message,
            "type": "codex_shim_error",
            "param": None,
            "code": "model_not_found",
        }
    }


def test_codex_is_told_by_a_stream_and_others_by_a_status() -> None:
    assert told(PROBLEM, to_codex=True) == failed_stream(PROBLEM)
    assert told(PROBLEM, to_codex=False) == PROBLEM.reply()


def test_the_failed_stream_is_a_200_with_one_terminal_event() -> None:
    reply = failed_stream(PROBLEM)
    assert reply.head.status == 200
    assert reply.head.header(b"content-type") == b"text/event-stream"
    assert reply.head.header(b"cache-control") == b"no-store"
    event, data, *rest = reply.body.split(b"\n")
    assert (event, rest) == (b"event: response.failed", [b"", b""])
    told_event = orjson.loads(data.removeprefix(b"data: "))
    assert told_event["type"] == "response.failed"
    assert told_event["sequence_number"] == 0
    assert told_event["response"] == {
        "id": "resp_shim_failed",
        "object": "response",
        "created_at": 0,
        "model": "",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "status": "failed",
        "error": {"code": "model_not_found", "message": PROBLEM.message},
    }


def test_a_failure_carries_on_the_response_that_was_announced() -> None:
    event = failed_event(
        PROBLEM, response={"id": "resp_1", "status": "in_progress"}, sequence_number=7
    )
    told_event = orjson.loads(event.split(b"data: ")[1])
    assert told_event["sequence_number"] == 7
    assert told_event["response"]["id"] == "resp_1"
    assert told_event["response"]["status"] == "failed"


def test_an_event_is_one_line_of_data_whatever_the_text() -> None:
    assert sse_event("x", {"t": "a\nb\r\n\u2028"}).count(b"\n") == 3


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (FaultKind.CONNECT, 502, "upstream_unreachable"),
        (FaultKind.TLS, 502, "invalid_prompt"),
        (FaultKind.RESET, 502, "upstream_closed"),
        (FaultKind.PROTOCOL, 502, "upstream_protocol"),
        (FaultKind.CUT, 502, "stream_interrupted"),
        (FaultKind.STALL, 504, "upstream_stalled"),
        (FaultKind.KILLED, 503, "invalid_prompt"),
        (FaultKind.SHUTDOWN, 503, "shutting_down"),
        (FaultKind.INTERNAL, 500, "shim_bug"),
    ],
)
def test_each_fault_has_its_status_and_code(kind: FaultKind, status: int, code: str) -> None:
    problem = problem_of(Fault(kind, "x"))
    assert (problem.status, problem.code) == (status, code)


@pytest.mark.parametrize("kind", list(FaultKind))
def test_each_fault_has_a_row_that_names_the_hop_and_its_own_detail(kind: FaultKind) -> None:
    origin = Origin("https", "model.example", 8443)
    problem = problem_of(Fault(kind, "the detail", origin))
    status, code, text = FAULTS[kind]
    assert (problem.status, problem.code) == (status, code)
    assert 500 <= status < 600
    assert ("https://model.example:8443" in problem.message) is ("{where}" in text)
    assert ("the detail" in problem.message) is ("{detail}" in text)
    assert "{" not in problem.message


def test_a_fault_without_an_upstream_can_be_told() -> None:
    assert "the upstream" in problem_of(Fault(FaultKind.STALL, "300 s")).message


@pytest.mark.parametrize("kind", [FaultKind.TLS, FaultKind.KILLED])
def test_what_trying_again_cannot_mend_stops_codex(kind: FaultKind) -> None:
    assert FAULTS[kind][1] in FINAL


def test_all_rows_are_faults_and_all_faults_have_rows() -> None:
    assert set(FAULTS) == set(FaultKind)
