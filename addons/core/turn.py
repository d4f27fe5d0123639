"""The contract between the engine, which moves bytes, and the plans, which decide.

A *turn* is one client request and its answer. The engine asks a `TurnRouter` for the turn's `Plan` and then runs a
loop: it asks the plan for a `Step`, carries the step out, reports the result to the plan, and asks for the next one.

    Step           the engine ...                                     then calls
    Send           sends an upstream request                          on_head, or on_fault
    Collect        reads the upstream's whole body                    on_body, or on_fault
    Relay          streams the upstream's body to the client          nothing: the turn ends with the stream
    StreamLocal    streams what a coroutine of this process writes    nothing: the turn ends with the stream
    Answer         sends a complete answer                            nothing: the turn ends
    Prepare        runs a coroutine while the client waits            Prepare.then, which gives the next step

`Plan.start` gives the first step: Send, StreamLocal, Answer or Prepare. Each `Send` is an *attempt*: it ends the one before it, whose
events never reach the plan then. `Relay` and `Collect` refer to the attempt whose head has just been reported: they answer `on_head`.
Relay, StreamLocal and Answer begin the client's answer. After that a failure goes to the step's `Translator`, and not to the plan.

Nothing in here does I/O or reads a clock. A plan holds the state of one turn and is pure, apart from its credential source.
Invariant: the engine knows no provider, and a plan knows neither mitmproxy nor the client's connection.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol, runtime_checkable

from addons.core.frozen import turn_value
from addons.core.headers import TOKEN_HEADER_BYTES, Headers, by_name
from addons.core.secrets import Origin, Secret, SecretHeader
from addons.core.usage import Usage

MAX_NAME_LENGTH = 100
"""Characters of a client's own text that a note keeps."""


def printable(text: str) -> str:
    """Return a client's own text in a form that a log line can hold: printable characters, bounded length."""
    cut = text[:MAX_NAME_LENGTH]
    return cut if cut.isprintable() else "".join(c if c.isprintable() else "?" for c in cut)


def shim_path(target: str) -> str:
    """Return the path of a request target without query and without the `/v1` that a base URL may hold."""
    path = target.partition("?")[0]
    return path.removeprefix("/v1") if path.startswith("/v1/") else path


@dataclass(slots=True)
class TurnNotes:
    """Facts about a turn for its record. The router and the plan write them; no decision reads them."""

    slug: str = ""
    """The model that the client asked for."""
    agent: str = ""
    """Who made the call: `user`, `sub-agent`, or the kind of a helper call of Codex."""
    row: str = ""
    """The slug of the route that took the turn. It differs from `slug` for an alias; empty when no route took it."""
    route: str = ""
    """The name of the provider that answers; empty when none does."""
    model: str = ""
    """The model that the upstream is asked for."""
    label: str = ""
    thread: str = ""
    root: str = ""
    """The user's thread that the call of a sub-agent or of a helper belongs to; empty when it is `thread`."""
    parent: str = ""
    """The thread that started the sub-agent of this call; empty for the user's own."""
    dropped: list[str] = field(default_factory=list)
    """Parts of the request that were not sent upstream, and parts of the answer that were not sent to the client."""
    repairs: list[str] = field(default_factory=list)
    """Changes of the request after the upstream refused it, in the order of the attempts."""
    hooks: Sequence[str] = ()
    """Which hook changed which parts of the request."""
    fallback: str = ""
    """Why another route answers than the one that took the turn; empty when that one does."""
    search: str = ""
    """How much a request for web searches asked for and got; empty for a turn."""
    queries: list[str] = field(default_factory=list)
    """What was searched for, if the user wants it in the access log."""

    def note_slug(self, slug: str, thread: bytes | None) -> None:
        """Note the model and the thread that the client named, in printable form."""
        self.slug = printable(slug)
        self.thread = printable((thread or b"").decode("latin-1"))

    def note_route(self, route: str, model: str, label: str = "") -> None:
        """Note the provider and model of the turn. Called again when a fallback takes over."""
        self.route, self.model, self.label = printable(route), printable(model), printable(label)


class ClientTransport(StrEnum):
    """What carried a turn from its client to this port."""

    HTTP = "http"
    WEBSOCKET = "websocket"
    """A text frame of a client's WebSocket. The replay of such a turn is `HTTP`: it has no connection."""


@turn_value(frozen=True, slots=True)
class ClientRequest:
    """The client's request as the flow holds it after the last hook, and its credentials, which no flow holds."""

    method: str
    path: str
    """Origin-form target, query included."""
    headers: Headers
    """In the client's order and case; a redaction label stands in place of each credential."""
    body: bytes
    """As received: `content-encoding` still applies."""
    credentials: Mapping[bytes, Secret] = field(default_factory=dict)
    """Lower-case header name → the value that the client sent."""
    model: str = ""
    """The slug or alias that the body names, once the router has read it."""
    notes: TurnNotes = field(default_factory=TurnNotes, compare=False, repr=False)
    transport: ClientTransport = ClientTransport.HTTP
    frame: bytes | None = field(default=None, repr=False)
    """The JSON text of a WebSocket frame as it came, where `body` has the whole history. None after an edit."""
    is_replay: bool = False
    """Whether a user replays a flow: the client that sent it is not there."""
    version: str = "HTTP/1.1"

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of a header (`name` in lower case), or None."""
        return by_name(self.headers).get(name)

    def with_model(self, model: str) -> ClientRequest:
        """Return the request with the model that its body names."""
        head = (self.method, self.path, self.headers, self.body, self.credentials)
        rest = (self.notes, self.transport, self.frame, self.is_replay, self.version)
        return ClientRequest(*head, model, *rest)

    @property
    def is_codex(self) -> bool:
        """Whether a Codex client sent it: it has an `originator`, or an `x-codex-…` other than the local token's header."""
        names = by_name(self.headers)
        return b"originator" in names or any(
            name.startswith(b"x-codex-") and name != TOKEN_HEADER_BYTES for name in names
        )

    @property
    def expects_stream(self) -> bool:
        """Whether an error must be a failed stream: Codex retries a turn on a status, and expects one elsewhere."""
        return self.is_codex and shim_path(self.path).startswith("/responses")


# Requests to upstreams, and what comes back ---------------------------------------------------------------------


@turn_value(frozen=True, slots=True)
class UpstreamRequest:
    """The request that one attempt sends, part of no flow. The engine adds host, content-length and secrets to `headers`."""

    origin: Origin
    method: str
    path: str
    headers: Headers
    body: bytes
    secrets: tuple[SecretHeader, ...] = ()
    body_secrets: tuple[Secret, ...] = ()
    """Credentials in the body, which a row adds. They are sent as they are, and masked where the request is kept."""
    frame: bytes | None = None
    """Over a WebSocket: the frame of the client, or b"" if it has none or something has changed. None: by HTTP."""
    silence_seconds: float = 0.0
    """Silence of the upstream after which the attempt fails, if it is less than `stall_seconds`. 0: that limit."""


@turn_value(frozen=True, slots=True)
class Head:
    """Status and headers of a response. The engine adds and removes framing headers."""

    status: int
    headers: Headers = ()
    seconds: float = field(default=0.0, compare=False)
    """The time from sending the request to receiving the head. 0 for a head that no upstream sent."""

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of a header (`name` in lower case), or None."""
        return by_name(self.headers).get(name)


@turn_value(frozen=True, slots=True)
class Reply:
    """A complete response made in this process."""

    head: Head
    body: bytes


class FaultKind(StrEnum):
    """A failure on the way to an upstream or at it, or an event of this process that ends a turn."""

    CONNECT = "connect"
    TLS = "tls"
    UPGRADE = "upgrade"
    RESET = "reset"
    """The connection ended before the response head."""
    PROTOCOL = "protocol"
    """The upstream did not send valid HTTP."""
    CUT = "cut"
    """The connection ended inside the response body."""
    STALL = "stall"
    UNREAD = "unread"
    """The client did not read its answer."""
    KILLED = "killed"
    SHUTDOWN = "shutdown"
    INTERNAL = "internal"


@turn_value(frozen=True, slots=True)
class Fault:
    """One failure. `detail` is safe to show: written by this program, never bytes of a head, never a secret."""

    kind: FaultKind
    detail: str
    origin: Origin | None = None


# Streams --------------------------------------------------------------------------------------------------------


class Translator(Protocol):
    """Translates one stream: upstream bytes in, client bytes out. Total: no input makes it raise."""

    @property
    def terminal(self) -> bool:
        """Whether the client's terminal event has been written."""

    def feed(self, data: bytes) -> bytes:
        """Translate the bytes of one network read. The result may be empty."""

    def finish(self) -> bytes:
        """End the stream after a complete body. Without a terminal event so far, the result is a failure event."""

    def fail(self, fault: Fault) -> bytes:
        """End the stream after a fault: return the closing event, or nothing after a terminal event."""


class StreamSummary(NamedTuple):
    """The facts about a finished stream or a complete answer that the record keeps."""

    terminal: str = ""
    """The type of the terminal event; empty when there was none."""
    error: str = ""
    """The error code that the client received."""
    usage: Usage | None = None
    rate_limits: Mapping[str, object] | None = None
    unknown_events: tuple[str, ...] = ()


@runtime_checkable
class Summarizes(Protocol):
    """A translator that can summarize its stream."""

    def summarize(self) -> StreamSummary:
        """Summarize the stream so far. Called once, at the end of the turn."""


@runtime_checkable
class QuotesUpstream(Protocol):
    """A translator that knows which text of its output comes from the upstream. All else is the product's own."""

    def take_quotes(self) -> str:
        """Return what was quoted since the last call."""


@runtime_checkable
class AwaitsEnd(Protocol):
    """A translator that knows when its upstream's answer is complete although its stream goes on."""

    @property
    def awaits_end(self) -> bool:
        """Whether the answer is complete, and only usage and the end of the body may follow."""


class Sink(Protocol):
    """Takes the bytes of a local source. They pass through the turn's translator like those of an upstream."""

    async def write(self, data: bytes) -> None:
        """Queue bytes for the client; wait while the client is slow. Raise CancelledError once it has left."""


LocalSource = Callable[[Sink], Awaitable[None]]
"""Writes the body of a stream that has no upstream. The engine cancels it when the client leaves."""


@turn_value(frozen=True, slots=True)
class CapturedInput:
    """The input of a local program, recorded and shown like an upstream request."""

    program: str
    """The command line, for the views and the access log."""
    body: bytes


class Send(NamedTuple):
    """Send this request after `delay` seconds. Ends the attempt before it."""

    request: UpstreamRequest
    delay: float = 0.0
    decide: Callable[[], Step] | None = None
    """Gives the step after the delay, as `Plan.start` does; None to send the request."""
    make_ready: Callable[[], object] | None = None
    """Called when the request has left without a delay: what the answer needs can be made while the upstream works."""


@turn_value(frozen=True, slots=True)
class Relay:
    """Begin the client's answer with this head and stream the upstream's body through the translator."""

    head: Head
    translator: Translator
    opening: bytes = b""
    """Sent to the client at once, before the upstream's first byte."""


@turn_value(frozen=True, slots=True)
class Collect:
    """Read the upstream's body, at most `limit` bytes of it, then call `Plan.on_body`."""

    limit: int
    is_enough: Callable[[bytes], bool] | None = None
    """Takes each read, and returns whether the plan can decide before the limit; None for the limit alone."""


@turn_value(frozen=True, slots=True)
class Answer:
    """Send the client this complete answer."""

    reply: Reply


@turn_value(frozen=True, slots=True)
class StreamLocal:
    """Begin the client's answer with this head and stream what the source writes through the translator."""

    head: Head
    source: LocalSource
    translator: Translator
    captured_input: CapturedInput | None = None


@turn_value(frozen=True, slots=True)
class Prepare:
    """Run this coroutine, which asks somebody else first, then ask `then` as `Plan.start` is asked. Ends the attempt before it.

    The engine cancels it when the client leaves. It must not raise: an exception ends the turn with an internal error.
    """

    work: Callable[[], Awaitable[None]]
    then: Callable[[], Step]


Step = Send | Relay | Collect | Answer | StreamLocal | Prepare


class Plan(Protocol):
    """The decisions of one turn. Every method is total: a problem becomes an Answer, never an exception."""

    def start(self) -> Step:
        """Return the first step: Send, StreamLocal, Answer or Prepare."""

    def on_head(self, head: Head) -> Step:
        """Decide about the upstream's response head: any step."""

    def on_body(self, head: Head, body: bytes) -> Step:
        """Decide about the collected body, which is cut at the limit: any step but Collect.

        Before the body has ended, also Relay: all of the body goes through the translator, from its first byte on.
        """

    def on_fault(self, fault: Fault) -> Step:
        """Decide after an attempt that failed before the client's answer began: any step without a response."""


@runtime_checkable
class EndsWithTurn(Protocol):
    """A plan that holds something for the time of its turn."""

    def ended(self) -> None:
        """Release it. Called once, after everything else, however the turn ended. Must not raise."""


@runtime_checkable
class WorksInSlices(Protocol):
    """A plan whose `start` takes milliseconds for a large request."""

    def slice(self) -> bool:
        """Do a part of that work ahead of `start`. Return whether more is left."""


class TurnRouter(Protocol):
    """Makes the plan of each admitted request. The engine has one; `addons.core.server.router` implements it."""

    def plan(self, request: ClientRequest) -> Plan:
        """Make the plan of a request. Total: the plan of a bad request answers with an error."""
