"""The states of one turn: two state machines and the table of steps that a plan may give.

Theory of operation
===================

1. A turn has two sides. The client's side and the upstream's side each have a state, and each state changes only by a
   named event. A change that has no row below raises `IllegalTransitionError`.

2. The client's side starts in RECEIVING. REQUEST_WHOLE makes it WAITING: the request is complete and admitted, and no
   byte of an answer was written. HEAD_BEGUN makes it OPENING, and HEAD_WRITTEN makes it STREAMING. In OPENING nobody
   knows whether the head was written, so an exception there can only cut the answer off. From each of these four,
   END_BEGUN makes it CLOSING, and END_WRITTEN makes it ENDED. There is no way back: a turn has one end.

3. The upstream's side starts in IDLE. One attempt at a time passes through it: DELAYED, CONNECTING, AWAITING_HEAD,
   DECIDING, then COLLECTING or RELAYING, or RELAYING after COLLECTING: what was collected is
   relayed first. RELEASE ends an attempt in every state, and is legal in every state, so that
   whatever ends a turn can always release its upstream. A local source needs no attempt: it goes from IDLE to LOCAL.
   Nor does what a plan has to learn first: from IDLE to PREPARING.

4. The plan is asked at four events: START, ON_HEAD, ON_BODY and ON_FAULT. A Send whose delay is over is a START: after
   RELEASE, its `decide` is asked or its request is sent. So is a Prepare whose work is done: its `then` is asked. `LEGAL_STEPS` lists which steps may answer
   which event in which pair of states. The plan is only asked while the client is WAITING: after HEAD_BEGUN nothing
   can be tried again.

5. Every step is checked by `TurnState.require` before it is carried out. A step that is not in the table raises
   `IllegalStepError`. The stream's error boundary turns it into an answer with a logged id. Nothing was sent for it.

6. Send, Answer, StreamLocal and Prepare may be given while an attempt is under way. Carrying them out begins with RELEASE, so
   the rest of that attempt's response reaches nobody.

7. An event of an attempt counts only while its id is the current one (`attempt.py`). A late event changes no state.

Never does: send, wait, or look at bytes. Invariant: the tables are the only definition of what is legal;
`scripts/state_diagram.py` draws docs/architecture.md from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType

from addons.core.turn import Answer, Collect, Prepare, Relay, Send, Step, StreamLocal


class _ByIdentity(Enum):
    """Members that are hashed without a Python call: about thirty are looked up in each turn."""

    __hash__ = object.__hash__


class ClientState(_ByIdentity):
    """The client's side of a turn: how much was received and written."""

    RECEIVING = auto()
    """The request is not complete, or not admitted."""
    WAITING = auto()
    """The request is complete and admitted. No byte of an answer was written."""
    OPENING = auto()
    """The head of a streamed answer is being written."""
    STREAMING = auto()
    """The head of a streamed answer was written."""
    CLOSING = auto()
    """The end of the turn has begun. Its last bytes are not written yet."""
    ENDED = auto()
    """The answer is complete, or the client has left."""


class ClientEvent(_ByIdentity):
    """An event that changes a `ClientState`."""

    REQUEST_WHOLE = auto()
    HEAD_BEGUN = auto()
    HEAD_WRITTEN = auto()
    END_BEGUN = auto()
    END_WRITTEN = auto()


class UpstreamState(_ByIdentity):
    """Where the attempt under way is."""

    IDLE = auto()
    """No attempt is under way."""
    DELAYED = auto()
    """The next attempt waits for its delay."""
    CONNECTING = auto()
    """The attempt waits for a connection."""
    AWAITING_HEAD = auto()
    """The request was sent."""
    DECIDING = auto()
    """The response head is at hand."""
    COLLECTING = auto()
    """The response body is read for the plan."""
    RELAYING = auto()
    """The response body goes to the client."""
    PREPARING = auto()
    """What the plan needs before its next attempt is on its way."""
    LOCAL = auto()
    """A local source feeds the client's answer."""


class UpstreamEvent(_ByIdentity):
    """An event that changes an `UpstreamState`."""

    DELAY = auto()
    CONNECT = auto()
    REQUEST_SENT = auto()
    HEAD_RECEIVED = auto()
    COLLECT = auto()
    RELAY = auto()
    START_LOCAL = auto()
    PREPARE = auto()
    RELEASE = auto()


class PlanEvent(_ByIdentity):
    """When the plan is asked for a step."""

    START = auto()
    ON_HEAD = auto()
    ON_BODY = auto()
    ON_FAULT = auto()


class TurnStateError(Exception):
    """The engine or a plan broke the rules of this module. Always a bug; the client gets an internal error."""


class IllegalStepError(TurnStateError):
    """A plan gave a step that is not legal in the present states."""


class IllegalTransitionError(TurnStateError):
    """The engine reported an event that is not legal in the present state."""


CLIENT_TRANSITIONS: Mapping[tuple[ClientState, ClientEvent], ClientState] = MappingProxyType(
    {
        (ClientState.RECEIVING, ClientEvent.REQUEST_WHOLE): ClientState.WAITING,
        (ClientState.RECEIVING, ClientEvent.END_BEGUN): ClientState.CLOSING,
        (ClientState.WAITING, ClientEvent.HEAD_BEGUN): ClientState.OPENING,
        (ClientState.WAITING, ClientEvent.END_BEGUN): ClientState.CLOSING,
        (ClientState.OPENING, ClientEvent.HEAD_WRITTEN): ClientState.STREAMING,
        (ClientState.OPENING, ClientEvent.END_BEGUN): ClientState.CLOSING,
        (ClientState.STREAMING, ClientEvent.END_BEGUN): ClientState.CLOSING,
        (ClientState.CLOSING, ClientEvent.END_WRITTEN): ClientState.ENDED,
    }
)

UPSTREAM_TRANSITIONS: Mapping[tuple[UpstreamState, UpstreamEvent], UpstreamState] = (
    MappingProxyType(
        {
            (UpstreamState.IDLE, UpstreamEvent.DELAY): UpstreamState.DELAYED,
            (UpstreamState.IDLE, UpstreamEvent.CONNECT): UpstreamState.CONNECTING,
            (UpstreamState.IDLE, UpstreamEvent.START_LOCAL): UpstreamState.LOCAL,
            (UpstreamState.IDLE, UpstreamEvent.PREPARE): UpstreamState.PREPARING,
            (UpstreamState.DELAYED, UpstreamEvent.CONNECT): UpstreamState.CONNECTING,
            (UpstreamState.CONNECTING, UpstreamEvent.REQUEST_SENT): UpstreamState.AWAITING_HEAD,
            (UpstreamState.AWAITING_HEAD, UpstreamEvent.HEAD_RECEIVED): UpstreamState.DECIDING,
            (UpstreamState.DECIDING, UpstreamEvent.COLLECT): UpstreamState.COLLECTING,
            (UpstreamState.DECIDING, UpstreamEvent.RELAY): UpstreamState.RELAYING,
            (UpstreamState.COLLECTING, UpstreamEvent.RELAY): UpstreamState.RELAYING,
            **{(state, UpstreamEvent.RELEASE): UpstreamState.IDLE for state in UpstreamState},
        }
    )
)

_WITHOUT_RESPONSE = frozenset({Send, Answer, StreamLocal, Prepare})

LEGAL_STEPS: Mapping[tuple[ClientState, UpstreamState, PlanEvent], frozenset[type[Step]]] = (
    MappingProxyType(
        {
            (ClientState.WAITING, UpstreamState.IDLE, PlanEvent.START): _WITHOUT_RESPONSE,
            (ClientState.WAITING, UpstreamState.IDLE, PlanEvent.ON_FAULT): _WITHOUT_RESPONSE,
            (ClientState.WAITING, UpstreamState.DECIDING, PlanEvent.ON_HEAD): (
                _WITHOUT_RESPONSE | {Relay, Collect}
            ),
            (ClientState.WAITING, UpstreamState.COLLECTING, PlanEvent.ON_BODY): (
                _WITHOUT_RESPONSE | {Relay}
            ),
        }
    )
)
_NO_STEPS: frozenset[type[Step]] = frozenset()


class TurnState:
    """The two states of one turn. Holds nothing else."""

    __slots__ = ("client", "is_ending", "upstream")

    def __init__(self) -> None:
        self.client = ClientState.RECEIVING
        self.upstream = UpstreamState.IDLE
        self.is_ending = False
        """Whether the end of the turn has begun: nothing but the rest of that end may follow."""

    @property
    def is_attempt_sent(self) -> bool:
        """Whether a request was sent whose response has not ended."""
        return self.upstream not in _NOTHING_SENT

    def on_client(self, event: ClientEvent) -> None:
        """Change the client's state. Raises IllegalTransitionError."""
        try:
            self.client = CLIENT_TRANSITIONS[self.client, event]
        except KeyError:
            msg = f"{event.name} in {self.client.name}"
            raise IllegalTransitionError(msg) from None
        if event is ClientEvent.END_BEGUN:
            self.is_ending = True

    def on_upstream(self, event: UpstreamEvent) -> None:
        """Change the upstream's state. Raises IllegalTransitionError."""
        try:
            self.upstream = UPSTREAM_TRANSITIONS[self.upstream, event]
        except KeyError:
            msg = f"{event.name} in {self.upstream.name}"
            raise IllegalTransitionError(msg) from None

    def require(self, event: PlanEvent, step: Step) -> None:
        """Raise IllegalStepError unless the step may answer this event in the present states."""
        legal = LEGAL_STEPS.get((self.client, self.upstream, event), _NO_STEPS)
        if type(step) not in legal:
            where = f"{self.client.name}, {self.upstream.name}"
            msg = f"{type(step).__name__} at {event.name} in {where}"
            raise IllegalStepError(msg)


_NOTHING_SENT = frozenset(
    {
        UpstreamState.IDLE,
        UpstreamState.DELAYED,
        UpstreamState.CONNECTING,
        UpstreamState.PREPARING,
        UpstreamState.LOCAL,
    }
)
