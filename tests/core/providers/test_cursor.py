"""The plan of a Cursor turn: what a child is asked, what the client is told, what is noted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from addons.core.cursor.catalog import SLUG, cursor_entry
from addons.core.cursor.lines import control_line
from addons.core.cursor.settings import CursorSettings
from addons.core.cursor.words import late
from addons.core.errors import Problem
from addons.core.providers.cursor import ChildTurn, Cursor, CursorPlan
from addons.core.routes import Route
from addons.core.turn import (
    Answer,
    ClientRequest,
    Fault,
    FaultKind,
    Head,
    Sink,
    Synthesize,
    SyntheticOrigin,
)
from tests.conformance import check
from tests.core.cursor import streams as s

SETTINGS = CursorSettings(force=True)
CODEX = ((b"originator", b"codex_exec"),)


async def silent(_sink: Sink) -> None:
    """The tests write in its place."""


class Desk:
    def __init__(self, workspace: str | Problem = "/w", hidden: str = "") -> None:
        self.turns: list[ChildTurn] = []
        self.cursor = Cursor(
            settings=SETTINGS,
            workspace=lambda _: workspace,
            make_origin=self._origin,
            ids=lambda: "0123456789abcdef" * 2,
            clock=lambda: 1.0,
        )
        entry = cursor_entry(SLUG, SETTINGS)
        make: Callable[..., Any] = self.cursor.plan
        self.route = Route(SLUG, "Composer", "cursor", "composer-2.5", entry, make, hidden)

    def _origin(self, turn: ChildTurn) -> SyntheticOrigin:
        self.turns.append(turn)
        return silent

    def request(self, path: str = "/v1/responses", **body: object) -> ClientRequest:
        whole = {"model": SLUG, "stream": True, "input": "hello", **body}
        return ClientRequest("POST", path, CODEX, json.dumps(whole).encode())

    def plan(self, request: ClientRequest) -> CursorPlan:
        plan = self.cursor.plan(request, self.route)
        assert isinstance(plan, CursorPlan)
        return plan

    def begin(self, path: str = "/v1/responses", **body: object) -> Synthesize:
        step = self.plan(self.request(path, **body)).start()
        assert isinstance(step, Synthesize)
        return step


def told(desk: Desk, **body: Any) -> str:
    step = desk.plan(desk.request(**body)).start()
    assert isinstance(step, Answer)
    return step.reply.body.decode()


def test_a_child_is_asked_for_the_turn_and_the_record_shows_it() -> None:
    desk = Desk()
    request = desk.request(
        input=[{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]
    )
    step = desk.plan(request).start()
    assert isinstance(step, Synthesize)
    [turn] = desk.turns
    assert (turn.model, turn.workspace, turn.settings) == ("composer-2.5", "/w", SETTINGS)
    assert step.asked
    assert (step.asked.program, step.asked.body) == (
        "cursor-agent --model composer-2.5",
        turn.prompt,
    )
    assert request.record.dropped == []


@pytest.mark.parametrize(
    ("stream", "media"), [(True, b"text/event-stream"), (False, b"application/json")]
)
def test_the_head_says_what_comes(stream: bool, media: bytes) -> None:
    step = Desk().begin(stream=stream)
    assert step.head.status == 200
    assert (step.head.header(b"content-type") or b"").startswith(media)


def test_what_no_prompt_holds_is_noted() -> None:
    request = Desk().request(input="x" * 2_000_000)
    desk = Desk()
    desk.plan(request).start()
    assert "CODEX_SHIM_CURSOR_PROMPT_BYTES" in str(request.record.dropped)


def test_a_route_that_is_hidden_says_why() -> None:
    desk = Desk(hidden="Cursor is logged out here.")
    plain = replace(desk.request(), headers=())
    step = desk.cursor.plan(plain, desk.route).start()
    assert isinstance(step, Answer)
    assert step.reply.head.status == 404
    assert "logged out" in told(desk)
    assert desk.turns == []


def test_without_a_folder_no_child_is_asked() -> None:
    desk = Desk(Problem(400, "invalid_prompt", "no folder", "invalid_request_error"))
    assert "no folder" in told(desk)
    assert desk.turns == []


@pytest.mark.parametrize("body", [{"input": 7}, {"previous_response_id": "resp_unknown"}])
def test_a_request_that_cannot_be_read_is_told(body: dict[str, Any]) -> None:
    desk = Desk()
    assert told(desk, **body)
    assert desk.turns == []


def test_to_sum_up_is_no_work_to_act_for() -> None:
    desk = Desk()
    step = desk.begin("/v1/responses/compact")
    assert desk.turns[0].settings.child_mode == "ask"
    assert not desk.turns[0].settings.child_force
    stream = s.init() + s.spoken("the sum") + s.final("the sum") + s.result("the sum")
    written = step.translator.feed(stream) + step.translator.finish()
    [item] = json.loads(written)["output"]
    assert item["type"] == "compaction"


def test_a_summary_that_fails_is_an_error() -> None:
    step = Desk().begin("/v1/responses/compact")
    written = step.translator.feed(control_line(late("it said nothing", 1, "X")))
    assert step.translator.terminal
    assert "said nothing" in json.loads(written)["error"]["message"]
    assert step.translator.finish() == b""


def test_a_summary_that_is_cut_off_is_an_error() -> None:
    step = Desk().begin("/v1/responses/compact")
    assert step.translator.fail(Fault(FaultKind.SHUTDOWN, "the shim is shutting down"))
    assert step.translator.terminal


@pytest.mark.parametrize("acts", [True, False])
def test_a_turn_that_is_ended_from_outside_says_whether_cursor_had_acted(acts: bool) -> None:
    step = Desk().begin()
    tool = s.tool("c-1", "write", path="/w/a") if acts else b""
    written = step.translator.feed(s.init() + tool)
    written += step.translator.fail(Fault(FaultKind.SHUTDOWN, "the shim is shutting down"))
    message = check(written)["response"]["error"]["message"]
    assert ("had begun to act" in message) is acts


def test_without_a_stream_the_failure_is_in_the_json() -> None:
    step = Desk().begin(stream=False)
    assert step.translator.feed(s.init()) == b""
    written = step.translator.fail(Fault(FaultKind.SHUTDOWN, "the shim is shutting down"))
    assert json.loads(written)["status"] == "failed"
    assert step.translator.finish() == b""


def test_no_upstream_is_ever_asked() -> None:
    plan = Desk().plan(Desk().request())
    with pytest.raises(AssertionError):
        plan.on_head(Head(200))
    with pytest.raises(AssertionError):
        plan.on_body(Head(200), b"")
    with pytest.raises(AssertionError):
        plan.on_fault(Fault(FaultKind.RESET, ""))
