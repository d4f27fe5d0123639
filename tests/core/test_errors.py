"""Errors: their two forms for clients, and the table of faults."""

from __future__ import annotations

import orjson
import pytest

from addons.core.errors import (
    FAULTS,
    Problem,
    error_reply,
    failed_event,
    failed_stream,
    problem_of,
    sse_event,
)
from addons.core.secrets import Origin
from addons.core.turn import Fault, FaultKind

PROBLEM = Problem(404, "model_not_found", 'no "x"\nhere')
FINAL = {"invalid_prompt"}
"""The codes at which Codex stops and shows the message (Codex 0.169)."""


def test_problem_has_the_json_form_of_openai() -> None:
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


def test_codex_receives_a_stream_and_other_clients_a_status() -> None:
    assert error_reply(PROBLEM, to_codex=True) == failed_stream(PROBLEM)
    assert error_reply(PROBLEM, to_codex=False) == PROBLEM.reply()


def test_failed_stream_is_a_200_with_one_terminal_event() -> None:
    reply = failed_stream(PROBLEM)
    assert reply.head.status == 200
    assert reply.head.header(b"content-type") == b"text/event-stream"
    assert reply.head.header(b"cache-control") == b"no-store"
    event, data, *rest = reply.body.split(b"\n")
    assert (event, rest) == (b"event: response.failed", [b"", b""])
    event_data = orjson.loads(data.removeprefix(b"data: "))
    assert event_data["type"] == "response.failed"
    assert event_data["sequence_number"] == 0
    assert event_data["response"] == {
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


def test_failure_keeps_the_fields_of_the_announced_response() -> None:
    event = failed_event(
        PROBLEM, response={"id": "resp_1", "status": "in_progress"}, sequence_number=7
    )
    event_data = orjson.loads(event.split(b"data: ")[1])
    assert event_data["sequence_number"] == 7
    assert event_data["response"]["id"] == "resp_1"
    assert event_data["response"]["status"] == "failed"


def test_event_has_one_data_line_for_any_text() -> None:
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
        (FaultKind.UNREAD, 503, "answer_unread"),
        (FaultKind.KILLED, 503, "invalid_prompt"),
        (FaultKind.SHUTDOWN, 503, "shutting_down"),
        (FaultKind.INTERNAL, 500, "shim_bug"),
    ],
)
def test_fault_has_its_status_and_code(kind: FaultKind, status: int, code: str) -> None:
    problem = problem_of(Fault(kind, "x"))
    assert (problem.status, problem.code) == (status, code)


@pytest.mark.parametrize("kind", list(FaultKind))
def test_fault_message_names_the_hop_and_the_detail(kind: FaultKind) -> None:
    origin = Origin("https", "model.example", 8443)
    problem = problem_of(Fault(kind, "the detail", origin))
    status, code, text = FAULTS[kind]
    assert (problem.status, problem.code) == (status, code)
    assert 500 <= status < 600
    assert ("https://model.example:8443" in problem.message) is ("{where}" in text)
    assert ("the detail" in problem.message) is ("{detail}" in text)
    assert "{" not in problem.message


def test_fault_without_an_upstream_has_a_message() -> None:
    assert "the upstream" in problem_of(Fault(FaultKind.STALL, "300 s")).message


@pytest.mark.parametrize("kind", [FaultKind.TLS, FaultKind.KILLED])
def test_fault_that_a_retry_cannot_fix_stops_codex(kind: FaultKind) -> None:
    assert FAULTS[kind][1] in FINAL


def test_every_fault_has_a_row() -> None:
    assert set(FAULTS) == set(FaultKind)
