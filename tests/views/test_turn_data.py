"""The plain data of a turn as typed values. The data may be wrong in any way."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given

from addons.core.telemetry.record import AttemptRecord, TurnRecord
from addons.core.usage import Usage
from addons.views.turn_data import TurnData, headers_of, plain_body
from tests.fakes.model_upstream import Json
from tests.views.samples import metadata
from tests.views.test_page import JSON

ATTEMPT = AttemptRecord(
    "https://a.example/v1", "status 429", "POST", 5.0, [["accept", "x"]], b"sent", False, 200, ((b"x", b"y"),),
    bytearray(b"got"), True, [[0.5, 3]], 0.25, 1.5, "relayed",
)  # fmt: skip


def parsed(attempt: Json) -> TurnData:
    data = TurnData.parse(metadata(attempt))
    assert data
    return data


def test_record_of_a_turn_is_read_back() -> None:
    record = TurnRecord(
        slug="fast", route="openai", model="m", thread="t", dropped=["a"], attempts=[ATTEMPT],
        terminal="response.failed", error="e", ended="killed", usage=Usage(5, 1, 3, 2, 8), ttft=0.5, seconds=2.0,
    )  # fmt: skip
    data = TurnData.parse(record.plain())
    assert data
    assert (data.slug, data.route, data.model, data.thread) == ("fast", "openai", "m", "t")
    assert (data.dropped, data.terminal, data.error, data.ended) == (("a",), "response.failed", "e", "killed")  # fmt: skip
    assert (data.usage, data.ttft, data.seconds) == (Usage(5, 1, 3, 2, 8), 0.5, 2.0)
    (attempt,) = data.attempts
    assert (attempt.url, attempt.reason, attempt.outcome) == (ATTEMPT.url, ATTEMPT.reason, "relayed")  # fmt: skip
    assert (attempt.started, attempt.first_byte, attempt.seconds) == (5.0, 0.25, 1.5)
    request, answer = attempt.request, attempt.answer
    assert (request.method, request.headers, request.body, request.cut) == ("POST", (("accept", "x"),), b"sent", False)  # fmt: skip
    assert answer
    assert (answer.status, answer.headers, answer.body) == (200, (("x", "y"),), b"got")
    assert (answer.cut, answer.reads) == (True, ((0.5, 3),))


@pytest.mark.parametrize("value", [None, "codex_shim", 5, []])
def test_value_that_is_no_object_is_not_a_turn(value: object) -> None:
    assert TurnData.parse(value) is None


def test_empty_object_is_a_turn_without_data() -> None:
    data = TurnData.parse({})
    assert data
    assert (data.slug, data.attempts, data.usage, data.ttft) == ("", (), None, None)


def test_empty_body_that_is_cut_was_not_recorded() -> None:
    assert parsed({"request": {"body": b"", "cut": True}}).attempts[0].request.body is None
    assert parsed({"request": {"body": b"", "cut": False}}).attempts[0].request.body == b""
    assert parsed({"request": {"body": b"x", "cut": True}}).attempts[0].request.body == b"x"


def test_body_is_decoded_by_its_content_encoding() -> None:
    request = {"headers": [["Content-Encoding", "gzip"]], "body": gzip.compress(b"text")}
    assert parsed({"request": request}).attempts[0].request.decoded == b"text"


@pytest.mark.parametrize("encoding", ["gzip", "unknown", "", "\ud800"])
def test_body_that_cannot_be_decoded_is_unchanged(encoding: str) -> None:
    assert plain_body(b"no gzip", encoding) == b"no gzip"


def test_wrong_values_are_skipped() -> None:
    reads = ["x", [1], [10**400, 60], [True, 5], [0.5, 3], [0.9, "3"]]
    answer = {"status": "200", "reads": reads, "headers": [["a", b"b"], ["c"], 5], "body": "text"}
    message = parsed({"answer": answer, "seconds": True, "started": 10**400}).attempts[0].answer
    assert message
    assert (message.status, message.body) == (0, None)
    assert message.reads == ((0.5, 3),)
    assert message.headers == headers_of(answer["headers"]) == (("a", "b"),)


@given(JSON)
def test_any_data_is_accepted(value: object) -> None:
    TurnData.parse(value)
    for key in ("attempts", "usage", "dropped", "ttft", "slug"):
        TurnData.parse({**metadata(), key: value})
    for key in ("request", "answer", "reads", "url"):
        TurnData.parse(metadata({key: value, "request": {"headers": value, "reads": value}}))
