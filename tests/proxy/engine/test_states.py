"""The table of states, exhaustively: each combination is either legal and leads where it says, or is refused."""

from __future__ import annotations

from itertools import product

import pytest

from addons.core.errors import Problem
from addons.core.turn import (
    Answer,
    ClientRequest,
    Collect,
    Head,
    Prepare,
    Relay,
    Send,
    Sink,
    Step,
    StreamLocal,
)
from addons.proxy.engine.states import (
    CLIENT_TRANSITIONS,
    LEGAL_STEPS,
    UPSTREAM_TRANSITIONS,
    ClientEvent,
    ClientState,
    IllegalStepError,
    IllegalTransitionError,
    PlanEvent,
    TurnState,
    TurnStateError,
    UpstreamEvent,
    UpstreamState,
)
from scripts.state_diagram import BEGIN, DOCUMENT, updated
from tests.support.engine import Plain, wire_to

REQUEST = ClientRequest("POST", "/", (), b"")


async def _source(_: Sink) -> None: ...


async def _work() -> None: ...


STEPS: list[Step] = [
    Send(wire_to(1, REQUEST)),
    Relay(Head(200), Plain()),
    Collect(1),
    Answer(Problem(400, "code", "text").reply()),
    StreamLocal(Head(200), _source, Plain()),
    Prepare(_work, lambda: Collect(1)),
]
FIRST_TRIES = {Send, Answer, StreamLocal, Prepare}
EXPECTED = {
    (ClientState.WAITING, UpstreamState.IDLE, PlanEvent.START): FIRST_TRIES,
    (ClientState.WAITING, UpstreamState.IDLE, PlanEvent.ON_FAULT): FIRST_TRIES,
    (ClientState.WAITING, UpstreamState.DECIDING, PlanEvent.ON_HEAD): {*map(type, STEPS)},
    (ClientState.WAITING, UpstreamState.COLLECTING, PlanEvent.ON_BODY): {*FIRST_TRIES, Relay},
}


def state_of(client: ClientState, upstream: UpstreamState) -> TurnState:
    state = TurnState()
    state.client, state.upstream = client, upstream
    return state


def test_every_combination_of_states_event_and_step_is_legal_or_refused() -> None:
    combinations = list(product(ClientState, UpstreamState, PlanEvent, STEPS))
    legal = 0
    for client, upstream, event, step in combinations:
        state = state_of(client, upstream)
        if type(step) in EXPECTED.get((client, upstream, event), ()):
            state.require(event, step)
            legal += 1
            continue
        with pytest.raises(IllegalStepError, match=f"{type(step).__name__} at {event.name}"):
            state.require(event, step)
        assert (state.client, state.upstream) == (client, upstream)
    assert (legal, len(combinations)) == (19, 6 * 9 * 4 * 6)
    assert sum(map(len, LEGAL_STEPS.values())) == legal


def test_every_event_of_the_client_is_legal_or_refused() -> None:
    for before, event in product(ClientState, ClientEvent):
        state = state_of(before, UpstreamState.IDLE)
        if after := CLIENT_TRANSITIONS.get((before, event)):
            state.on_client(event)
            assert state.client is after
            continue
        with pytest.raises(IllegalTransitionError, match=f"{event.name} in {before.name}"):
            state.on_client(event)
        assert state.client is before


def test_every_event_of_the_upstream_is_legal_or_refused() -> None:
    for before, event in product(UpstreamState, UpstreamEvent):
        state = state_of(ClientState.WAITING, before)
        if after := UPSTREAM_TRANSITIONS.get((before, event)):
            state.on_upstream(event)
            assert state.upstream is after
            continue
        with pytest.raises(IllegalTransitionError, match=f"{event.name} in {before.name}"):
            state.on_upstream(event)
        assert state.upstream is before


def test_a_turn_ends_once_from_every_state() -> None:
    for client in set(ClientState) - {ClientState.CLOSING, ClientState.ENDED}:
        state = state_of(client, UpstreamState.IDLE)
        assert not state.is_ending
        state.on_client(ClientEvent.END_BEGUN)
        assert state.is_ending
        state.on_client(ClientEvent.END_WRITTEN)
        assert state.is_ending
        with pytest.raises(TurnStateError):
            state.on_client(ClientEvent.END_BEGUN)


def test_an_attempt_can_be_released_in_every_state() -> None:
    for upstream in UpstreamState:
        state = state_of(ClientState.WAITING, upstream)
        state.on_upstream(UpstreamEvent.RELEASE)
        assert state.upstream is UpstreamState.IDLE


def test_only_a_sent_request_has_a_connection_to_close() -> None:
    sent = {
        state for state in UpstreamState if state_of(ClientState.WAITING, state).is_attempt_sent
    }
    assert sent == {
        UpstreamState.AWAITING_HEAD,
        UpstreamState.DECIDING,
        UpstreamState.COLLECTING,
        UpstreamState.RELAYING,
    }


def test_the_document_shows_the_tables_of_the_code() -> None:
    text = DOCUMENT.read_text()
    assert updated(text) == text
    drawn = text.partition(BEGIN)[2]
    assert "WAITING --> OPENING: HEAD_BEGUN" in drawn
    assert "| WAITING | COLLECTING | ON_BODY | Answer, Prepare, Relay, Send, StreamLocal |" in drawn


def test_a_document_without_markers_is_not_written() -> None:
    with pytest.raises(ValueError, match="lacks the marker"):
        updated("no markers")
