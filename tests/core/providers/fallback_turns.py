"""Turns of routes with fallbacks, for the tests of their plan: routes with scripted plans, and their answers."""

import re
from dataclasses import dataclass, field, replace

import orjson

from addons.core.errors import SSE_HEADERS
from addons.core.protocols.responses.observer import PassThrough
from addons.core.providers.fallback import (
    FALLBACK_HEADER,
    Fallbacks,
)
from addons.core.routes import Route
from addons.core.secrets import Origin
from addons.core.turn import (
    Answer,
    ClientRequest,
    Collect,
    Fault,
    FaultKind,
    Head,
    Plan,
    Relay,
    Reply,
    Send,
    Step,
    UpstreamRequest,
)
from tests.core.providers.rows import request

NOW = 1_000_000_000.0
REFUSED = Answer(Reply(Head(502), b"refused"))
LOST = Fault(FaultKind.CONNECT, "refused")


def sent_request(name: str) -> UpstreamRequest:
    return UpstreamRequest(Origin("https", name, 443), "POST", "/", (), b"{}")


@dataclass
class Scripted:
    """Relays a 200 and collects any refusal, after `tries` retries."""

    name: str
    tries: int = 0
    first: Step | None = None
    bodies: list[bytes] = field(default_factory=list)

    def start(self) -> Step:
        return self.first or Send(sent_request(self.name))

    def on_head(self, head: Head) -> Step:
        if head.status == 200:
            own = (b"x-from", self.name.encode())
            return Relay(Head(200, (*head.headers, own)), PassThrough())
        return self._again() or Collect(100)

    def on_body(self, head: Head, body: bytes) -> Step:
        assert head.status
        self.bodies.append(body)
        return REFUSED

    def on_fault(self, fault: Fault) -> Step:
        assert fault.kind
        return self._again() or REFUSED

    def _again(self) -> Step | None:
        self.tries -= 1
        return Send(sent_request(self.name), 0.5) if self.tries >= 0 else None


def route(name: str, plan: Plan | None = None, hidden: str = "") -> Route:
    def make(turn: ClientRequest, own: Route) -> Plan:
        assert turn.body
        assert own.slug == name
        return plan or Scripted(name)

    return Route(name, name, name, name, {}, make, hidden)


def plan_of(first: Route, *others: Route) -> Plan:
    plan = Fallbacks(lambda: NOW).maker(first.make_plan, lambda: others)(request(), first)
    assert isinstance(plan.start(), Send)
    return plan


def host(step: Step) -> str:
    assert isinstance(step, Send)
    return step.request.origin.host


def announced(step: Step) -> bytes | None:
    assert isinstance(step, Relay)
    return step.head.header(FALLBACK_HEADER)


def refused(
    plan: Plan, status: int = 429, body: bytes = b"refused", *headers: tuple[bytes, bytes]
) -> Step:
    """Return the step after a refusal and, if the plan reads it, its body."""
    head = Head(status, headers)
    step = plan.on_head(head)
    return plan.on_body(head, body) if isinstance(step, Collect) else step


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Setup:
    """A route `a` with fallbacks. Each turn has a plan of its own; `asked` are the first hosts of the turns."""

    clock: Clock = field(default_factory=Clock)
    a: Route = field(default_factory=lambda: route("a"))
    others: list[Route] = field(default_factory=lambda: [route("b"), route("c")])

    def __post_init__(self) -> None:
        self.make = Fallbacks(self.clock).maker(self.a.make_plan, lambda: self.others)

    def turn(self, thread: bytes = b"t", **changes: object) -> Plan:
        turn = replace(
            request(),
            headers=((b"originator", b"codex"), (b"session-id", thread)),
            path="/responses",
        )
        turn.notes.agent = "user"
        return self.make(replace(turn, **changes), self.a)  # type: ignore[arg-type]


USED_UP = b'{"error":{"type":"usage_limit_reached","message":"Used up","resets_in_seconds":3600}}'


EVENTS_APART = (
    b'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1"}}\n\n',
    b'event: response.output_item.added\ndata: {"type":"response.output_item.added","sequence_number":1,"output_index":0}\n\n',
)
EVENTS = b"".join(EVENTS_APART)


STREAM = Head(200, SSE_HEADERS)


def begun(plan: Plan, *events: bytes) -> Step:
    """Return the step after the head of a stream and, if the plan reads them, its first events."""
    step = plan.on_head(STREAM)
    if not isinstance(step, Collect):
        return step
    assert step.is_enough
    for event in events or EVENTS_APART:
        if step.is_enough(event):
            break
    return plan.on_body(STREAM, b"".join(events or EVENTS_APART))


def shown(step: Step) -> str:
    """Return the summary that the client gets before the answer; empty if there is none."""
    assert isinstance(step, Relay)
    out = step.translator.feed(EVENTS).decode()
    found = re.search(r'"type":"response.reasoning_summary_text.done".*?"text":"(.*?)"}', out)
    return found[1] if found else ""


def body(*items: object) -> bytes:
    return orjson.dumps({"model": "a", "input": items})


USER_MESSAGE = {"type": "message", "role": "user", "content": "go on"}
