"""The contract's own behaviour: who is a Codex client, what notes keep, what a local plan allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from addons.core.headers import Headers
from addons.core.routes import LocalPlan, OneStepPlan
from addons.core.secrets import Secret
from addons.core.turn import (
    MAX_NAME_LENGTH,
    Answer,
    ClientRequest,
    ClientTransport,
    Fault,
    FaultKind,
    Head,
    Reply,
    TurnNotes,
    printable,
)

ANSWER = Answer(Reply(Head(200), b""))


@pytest.mark.parametrize(
    ("headers", "is_codex"),
    [
        ((), False),
        (((b"Originator", b"codex_exec"),), True),
        (((b"X-Codex-Turn-Metadata", b"{}"),), True),
        (((b"x-codex-shim-token", b"<kept>"),), False),
        (((b"x-codex-shim-token", b"<kept>"), (b"x-codex-window-id", b"1:0")), True),
        (((b"user-agent", b"codex_exec/0.169.0"),), False),
    ],
)
def test_codex_is_recognized_by_its_own_headers(headers: Headers, is_codex: bool) -> None:
    assert ClientRequest("POST", "/v1/responses", headers, b"").is_codex is is_codex


@pytest.mark.parametrize(
    ("path", "is_turn"),
    [
        ("/v1/responses", True),
        ("/responses?x=1", True),
        ("/v1/responses/compact", True),
        ("/v1/alpha/search", False),
        ("/v1/alpha/search?next=/responses", False),
        ("/health", False),
    ],
)
def test_codex_expects_a_stream_from_turns_only(path: str, is_turn: bool) -> None:
    codex = ((b"originator", b"codex_exec"),)
    assert ClientRequest("POST", path, codex, b"").expects_stream is is_turn
    assert not ClientRequest("POST", path, (), b"").expects_stream


def test_header_is_found_in_any_case_and_the_first_one_counts() -> None:
    headers = ((b"X-One", b"1"), (b"x-one", b"2"))
    assert ClientRequest("GET", "/", headers, b"").header(b"x-one") == b"1"
    assert Head(200, headers).header(b"x-one") == b"1"
    assert Head(200, headers).header(b"x-two") is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [("gpt-5.5", "gpt-5.5"), ("a\x1b[2Jb\n", "a?[2Jb?"), ("x" * 500, "x" * MAX_NAME_LENGTH)],
)
def test_text_of_the_client_is_noted_printable_and_cut(text: str, shown: str) -> None:
    notes = TurnNotes()
    notes.note_slug(text, text.encode())
    notes.note_route(text, text, text)
    noted = {notes.slug, notes.thread, notes.route, notes.model, notes.label}
    assert {printable(text), *noted} == {shown}


def test_request_with_its_model_keeps_everything_else() -> None:
    request = ClientRequest("POST", "/r", ((b"a", b"b"),), b"{}", {b"x": Secret("y" * 20)})
    named = request.with_model("gpt-5.5")
    assert named.transport is ClientTransport.HTTP
    assert (named, named.notes) == (replace(request, model="gpt-5.5"), request.notes)
    assert named.notes is request.notes


def test_request_of_a_frame_keeps_its_transport_and_text_with_its_model() -> None:
    request = ClientRequest(
        "POST", "/r", (), b"{}", transport=ClientTransport.WEBSOCKET, frame=b"{ }", is_replay=True
    )
    named = request.with_model("gpt-5.5")
    assert (named.transport, named.frame) == (ClientTransport.WEBSOCKET, b"{ }")
    assert named == replace(request, model="gpt-5.5")


def test_notes_do_not_distinguish_requests() -> None:
    one = ClientRequest("GET", "/", (), b"")
    other = ClientRequest("GET", "/", (), b"")
    other.notes.note_slug("a", None)
    assert one == other


@pytest.mark.parametrize(
    "report",
    [
        lambda plan: plan.on_head(Head(200)),
        lambda plan: plan.on_body(Head(200), b""),
        lambda plan: plan.on_fault(Fault(FaultKind.CUT, "x")),
    ],
    ids=["on_head", "on_body", "on_fault"],
)
def test_local_plan_takes_no_report_of_an_upstream(report: Callable[[LocalPlan], object]) -> None:
    plan = OneStepPlan(ANSWER)
    assert plan.start() is ANSWER
    with pytest.raises(AssertionError):
        report(plan)
