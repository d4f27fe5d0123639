"""The plan of a Cursor turn: input of the child, answer to the client, notes for the record."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from addons.core.codex.threads import WHAT_IF
from addons.core.cursor.catalog import SLUG, cursor_entry
from addons.core.cursor.error_patterns import timeout_problem
from addons.core.cursor.lines import control_line
from addons.core.cursor.settings import CursorSettings
from addons.core.errors import Problem
from addons.core.providers.cursor import ChildTurn, CursorPlan, CursorProvider
from addons.core.routes import Route
from addons.core.turn import (
    Answer,
    ClientRequest,
    Fault,
    FaultKind,
    Head,
    LocalSource,
    Sink,
    StreamLocal,
)
from tests.conformance import check
from tests.core.cursor import streams as s

SETTINGS = CursorSettings(force=True)
CODEX = ((b"originator", b"codex_exec"),)


async def silent(_sink: Sink) -> None:
    """Do nothing: the tests write instead."""


class CursorTurns:
    def __init__(self, workspace: str | Problem = "/w", hidden: str = "") -> None:
        self.turns: list[ChildTurn] = []
        self.cursor = CursorProvider(
            settings=SETTINGS,
            workspace=lambda _: workspace,
            make_source=self._source,
            ids=lambda: "0123456789abcdef" * 2,
            clock=lambda: 1.0,
        )
        entry = cursor_entry(SLUG, SETTINGS)
        make: Callable[..., Any] = self.cursor.plan
        self.route = Route(SLUG, "Composer", "cursor", "composer-2.5", entry, make, hidden)

    def _source(self, turn: ChildTurn) -> LocalSource:
        self.turns.append(turn)
        return silent

    def request(self, path: str = "/v1/responses", **body: object) -> ClientRequest:
        whole = {"model": SLUG, "stream": True, "input": "hello", **body}
        return ClientRequest("POST", path, CODEX, json.dumps(whole).encode())

    def plan(self, request: ClientRequest) -> CursorPlan:
        plan = self.cursor.plan(request, self.route)
        assert isinstance(plan, CursorPlan)
        return plan

    def begin(self, path: str = "/v1/responses", **body: object) -> StreamLocal:
        step = self.plan(self.request(path, **body)).start()
        assert isinstance(step, StreamLocal)
        return step


def error_text(turns: CursorTurns, **body: Any) -> str:
    step = turns.plan(turns.request(**body)).start()
    assert isinstance(step, Answer)
    return step.reply.body.decode()


def test_child_gets_the_turn_and_the_record_shows_it() -> None:
    turns = CursorTurns()
    request = turns.request(
        input=[{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]
    )
    step = turns.plan(request).start()
    assert isinstance(step, StreamLocal)
    [turn] = turns.turns
    assert (turn.model, turn.workspace, turn.settings) == ("composer-2.5", "/w", SETTINGS)
    assert step.captured_input
    assert (step.captured_input.program, step.captured_input.body) == (
        "cursor-agent --model composer-2.5",
        turn.prompt,
    )
    assert request.notes.dropped == []


@pytest.mark.parametrize(
    ("stream", "media"), [(True, b"text/event-stream"), (False, b"application/json")]
)
def test_content_type_follows_stream(stream: bool, media: bytes) -> None:
    step = CursorTurns().begin(stream=stream)
    assert step.head.status == 200
    assert (step.head.header(b"content-type") or b"").startswith(media)


def test_content_omitted_from_the_prompt_is_noted() -> None:
    request = CursorTurns().request(input="x" * 2_000_000)
    turns = CursorTurns()
    turns.plan(request).start()
    assert "CODEX_SHIM_CURSOR_PROMPT_BYTES" in str(request.notes.dropped)


def test_hidden_route_answers_with_its_reason() -> None:
    turns = CursorTurns(hidden="Cursor is logged out here.")
    plain = replace(turns.request(), headers=())
    step = turns.cursor.plan(plain, turns.route).start()
    assert isinstance(step, Answer)
    assert step.reply.head.status == 404
    assert "logged out" in error_text(turns)
    assert turns.turns == []


def test_turn_without_a_folder_starts_no_child() -> None:
    turns = CursorTurns(Problem(400, "invalid_prompt", "no folder", "invalid_request_error"))
    assert "no folder" in error_text(turns)
    assert turns.turns == []


@pytest.mark.parametrize("body", [{"input": 7}, {"previous_response_id": "resp_unknown"}])
def test_unreadable_request_is_reported(body: dict[str, Any]) -> None:
    turns = CursorTurns()
    assert error_text(turns, **body)
    assert turns.turns == []


def test_summary_runs_in_ask_mode() -> None:
    turns = CursorTurns()
    step = turns.begin("/v1/responses/compact")
    assert turns.turns[0].settings.child_mode == "ask"
    assert not turns.turns[0].settings.child_force
    stream = s.init() + s.text_deltas("the sum") + s.final("the sum") + s.result("the sum")
    written = step.translator.feed(stream) + step.translator.finish()
    [item] = json.loads(written)["output"]
    assert item["type"] == "compaction"


def test_failed_summary_is_an_error() -> None:
    step = CursorTurns().begin("/v1/responses/compact")
    written = step.translator.feed(control_line(timeout_problem("it printed nothing", 1, "X")))
    assert step.translator.terminal
    assert "printed nothing" in json.loads(written)["error"]["message"]
    assert step.translator.finish() == b""


def test_truncated_summary_is_an_error() -> None:
    step = CursorTurns().begin("/v1/responses/compact")
    assert step.translator.fail(Fault(FaultKind.SHUTDOWN, "the shim is shutting down"))
    assert step.translator.terminal


@pytest.mark.parametrize("acts", [True, False])
def test_aborted_turn_reports_whether_cursor_had_acted(acts: bool) -> None:
    step = CursorTurns().begin()
    tool = s.tool("c-1", "write", path="/w/a") if acts else b""
    written = step.translator.feed(s.init() + tool)
    written += step.translator.fail(Fault(FaultKind.SHUTDOWN, "the shim is shutting down"))
    message = check(written)["response"]["error"]["message"]
    assert ("had begun to act" in message) is acts


def test_failure_without_a_stream_is_in_the_json() -> None:
    step = CursorTurns().begin(stream=False)
    assert step.translator.feed(s.init()) == b""
    written = step.translator.fail(Fault(FaultKind.SHUTDOWN, "the shim is shutting down"))
    assert json.loads(written)["status"] == "failed"
    assert step.translator.finish() == b""


def test_no_upstream_is_ever_called() -> None:
    plan = CursorTurns().plan(CursorTurns().request())
    with pytest.raises(AssertionError):
        plan.on_head(Head(200))
    with pytest.raises(AssertionError):
        plan.on_body(Head(200), b"")
    with pytest.raises(AssertionError):
        plan.on_fault(Fault(FaultKind.RESET, ""))


def test_answer_of_a_comparison_is_made_in_ask_mode() -> None:
    turns = CursorTurns()
    request = turns.request()
    request.notes.agent = WHAT_IF
    turns.plan(request).start()
    assert turns.turns[0].settings.child_mode == "ask"
    assert not turns.turns[0].settings.child_force
