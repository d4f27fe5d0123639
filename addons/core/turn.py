"""The small typed protocol between the engine, which moves bytes, and the providers, which decide.

A turn is one client request. The engine asks the turn's `Plan` for a `Step`, carries it out, reports what happened
and asks again, until the client has its answer. A plan holds the state of one turn and is pure but for the
credential source handed to it; the engine knows no provider by name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from addons.core.credential import Origin, Secret, SecretHeader
from addons.core.headers import Headers, header
from addons.core.record import TurnRecord
from addons.core.usage import Usage


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """What the flow holds once every hook has returned, and the client's credentials, which it does not hold."""

    method: str
    path: str
    """Origin-form target, query included."""
    headers: Headers
    """In the client's order and case; a label stands where a credential stood."""
    body: bytes
    """As received: `content-encoding` still applies."""
    credentials: Mapping[bytes, Secret] = field(default_factory=dict)
    """Lower-case header name → the value that the client sent."""
    model: str = ""
    """The model that the body names, once the front has read it: a slug or an alias."""
    record: TurnRecord = field(default_factory=TurnRecord, compare=False, repr=False)
    """What is noted of the turn. Whoever decides about it may write; nobody decides by what is written."""

    def header(self, name: bytes) -> bytes | None:
        """Give the first value of a header (`name` in lower case), or None."""
        return header(self.headers, name)

    @property
    def is_codex(self) -> bool:
        """Whether a Codex client sent this: it names its originator or sends x-codex headers.

        Our own token is no sign: an SDK that is allowed in sends it as well.
        """
        names = {key.lower() for key, _ in self.headers} - {b"x-codex-shim-token"}
        return any(name == b"originator" or name.startswith(b"x-codex-") for name in names)


@dataclass(frozen=True, slots=True)
class WireRequest:
    """What one attempt sends. It is part of no flow; its secrets are revealed in the engine's last step.

    `headers` hold neither host, content-length nor any secret: the engine adds these.
    """

    origin: Origin
    method: str
    path: str
    headers: Headers
    body: bytes
    secrets: tuple[SecretHeader, ...] = ()


@dataclass(frozen=True, slots=True)
class Head:
    """Status line and headers of a response. Framing headers are the engine's affair."""

    status: int
    headers: Headers = ()

    def header(self, name: bytes) -> bytes | None:
        """Give the first value of a header (`name` in lower case), or None."""
        return header(self.headers, name)


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole local answer."""

    head: Head
    body: bytes


class FaultKind(StrEnum):
    """What can go wrong on the way to, or at, an upstream; and what can end a turn on our side."""

    CONNECT = "connect"
    TLS = "tls"
    RESET = "reset"
    """The connection ended before the response head."""
    PROTOCOL = "protocol"
    """The upstream's bytes are not the HTTP that they should be."""
    CUT = "cut"
    """The connection ended inside the response body."""
    STALL = "stall"
    KILLED = "killed"
    SHUTDOWN = "shutdown"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that went wrong. `detail` is our own safe text: never raw bytes of a head, never a secret."""

    kind: FaultKind
    detail: str
    origin: Origin | None = None
    reused: bool = False
    """The connection had served an earlier turn: the upstream may just have closed it while it was idle."""


class Translator(Protocol):
    """Upstream bytes in, client bytes out, for one stream. Total: no input makes it raise."""

    @property
    def terminal(self) -> bool:
        """Whether the client has been given its terminal event."""

    def feed(self, data: bytes) -> bytes:
        """Translate what one network read brought. May be empty."""

    def finish(self) -> bytes:
        """The upstream ended its body cleanly: give what is missing, a failure if no terminal event came."""

    def fail(self, fault: Fault) -> bytes:
        """The stream ends here: give the closing event, or nothing when the terminal event was given."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a stream, or a whole answer, came to."""

    terminal: str = ""
    """The type of the terminal event; empty when none came."""
    error: str = ""
    """The code of the error that the client was told."""
    usage: Usage | None = None
    rate_limits: Mapping[str, object] | None = None


@runtime_checkable
class Reports(Protocol):
    """A translator that knows what its stream came to. Asked once, when the turn has ended."""

    def report(self) -> Report:
        """Sum up what was seen so far."""


class Sink(Protocol):
    """Where a synthetic origin writes. The bytes pass the turn's translator like those of an upstream."""

    async def write(self, data: bytes) -> None:
        """Queue bytes for the client; waits while the client is slow. Raises CancelledError when it left."""


SyntheticOrigin = Callable[[Sink], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Send:
    """Try this upstream, after `delay` seconds. Ends the attempt before it, whose late bytes find nobody."""

    wire: WireRequest
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Relay:
    """Begin the client's answer with this head and stream the upstream's body through the translator."""

    head: Head
    translator: Translator
    opening: bytes = b""
    """What the client is given at once, before the upstream's first byte."""


@dataclass(frozen=True, slots=True)
class Collect:
    """Read the upstream's whole body, at most `limit` bytes of it, then ask `Plan.on_body`."""

    limit: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Give the client this whole answer."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Asked:
    """What a program of this machine is asked: kept of it is what is kept of a wire request, and shown in its place."""

    program: str
    """Its name, in words. The access log shows it."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Synthesize:
    """Begin the client's answer with this head and stream what the origin writes through the translator."""

    head: Head
    origin: SyntheticOrigin
    translator: Translator
    asked: Asked | None = None


Step = Send | Relay | Collect | Answer | Synthesize


class Plan(Protocol):
    """The decisions of one turn. `Relay`, `Collect` may only be given while an upstream's head is at hand."""

    def start(self) -> Step:
        """Give the first step: Send, Answer or Synthesize."""

    def on_head(self, head: Head) -> Step:
        """The upstream answered: any step but Synthesize."""

    def on_body(self, head: Head, body: bytes) -> Step:
        """The collected body is here (cut at the limit): Send or Answer."""

    def on_fault(self, fault: Fault) -> Step:
        """An attempt failed before the client was given anything: Send, or Answer when nothing is left to try."""


class Front(Protocol):
    """What stands behind the engine: it makes a plan of each admitted request."""

    def plan(self, request: ClientRequest) -> Plan:
        """Decide what becomes of a request. Total: a bad request gets a plan that answers so."""
