"""What is noted of one turn while it goes its way: who asked for what, each attempt, how it ended, what it used.

Filled by the engine and by whoever decides (the front, a plan); read once the turn has ended, by the views, the
access log and the ledger. Never does: hold a secret, decide anything. Invariant: `plain` gives plain data alone, so
that a flow which carries it can be copied, saved and replayed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from addons.core.credential import Secret
from addons.core.headers import Headers
from addons.core.key_places import looks_secret
from addons.core.usage import Usage

HIDDEN = "<secret>"
"""Stands where a secret stood."""
METADATA = "codex_shim"
"""The key in `flow.metadata` under which `TurnRecord.plain` is found."""
LONGEST_NAME = 100
_ANSWER_SECRETS = frozenset({"set-cookie", "set-cookie2", "authentication-info"})
"""Response headers whose values are credentials. Not by parts of names: a rate limit's may hold `token`."""


@dataclass(slots=True)
class AttemptRecord:
    """One try at one upstream."""

    url: str
    reason: str
    """Why it was made: empty for the first, else how the one before it ended."""
    method: str
    started: float
    """Unix seconds."""
    request_headers: list[list[str]] = field(default_factory=list)
    request_body: bytes = b""
    request_cut: bool = True
    """Whether `request_body` is less than what was sent."""
    status: int | None = None
    """None while, or when, no head came."""
    answer_headers: Headers = ()
    answer_body: bytearray = field(default_factory=bytearray)
    answer_cut: bool = False
    reads: list[list[float]] = field(default_factory=list)
    """When what of `answer_body` came: seconds from its start, and how many bytes there were then."""
    first_byte: float | None = None
    """Seconds from its start to the answer's head."""
    seconds: float = 0.0
    outcome: str = ""
    """A status, or the fault that ended it; empty while it is under way."""

    def hide(self, secrets: Iterable[Secret]) -> None:
        """Take out what the upstream quoted of the credentials that it was sent."""
        label = HIDDEN.encode()
        for secret in secrets:
            body = secret.hidden_in(bytes(self.answer_body), label)
            self.answer_body = bytearray(secret.cut_from(body) if self.answer_cut else body)
            self.answer_headers = tuple(
                (name, secret.hidden_in(value, label)) for name, value in self.answer_headers
            )

    def plain(self) -> dict[str, object]:
        """As plain data."""
        return {
            "url": self.url,
            "reason": self.reason,
            "request": {
                "method": self.method,
                "headers": self.request_headers,
                "body": self.request_body,
                "cut": self.request_cut,
            },
            "answer": None
            if self.status is None
            else {
                "status": self.status,
                "headers": answer_headers(self.answer_headers),
                "body": bytes(self.answer_body),
                "cut": self.answer_cut,
                "reads": [list(read) for read in self.reads],
            },
            "started": self.started,
            "first_byte": self.first_byte,
            "seconds": self.seconds,
            "outcome": self.outcome,
        }


@dataclass(slots=True)
class TurnRecord:
    """One turn. Without a slug it is none: a page, a health check, a request that was refused at the door."""

    id: str = ""
    slug: str = ""
    """What the client asked for."""
    row: str = ""
    """The slug of the route that took it: what was asked for may be an alias. Empty when none did."""
    route: str = ""
    """Who answers: the provider's name; empty when nobody does."""
    model: str = ""
    """What the upstream is asked for."""
    thread: str = ""
    started: float = 0.0
    """Unix seconds."""
    attempts: list[AttemptRecord] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    """What of the request no upstream was told, and of the answer no client."""
    status: int = 0
    """What the client was answered; 0 when it left before that."""
    terminal: str = ""
    """The type of the stream's terminal event."""
    error: str = ""
    """The error's code, when the client was told one."""
    ended: str = ""
    """What ended the turn from outside: a fault's kind, `client_left`; empty when it came to its own end."""
    usage: Usage | None = None
    rate_limits: Mapping[str, object] | None = None
    """The last `codex.rate_limits` event."""
    ttft: float | None = None
    """Seconds to the first delta that the client was given."""
    seconds: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    replay: bool = False
    wire_body: bytes = b""
    """What the last attempt sent, for who wants to compare it with the turn before."""
    wire_encoding: bytes | None = None

    def asked(self, slug: str, thread: bytes | None) -> None:
        """Note what the client asks for, in a form that can be shown."""
        self.slug = shown(slug)
        self.thread = shown((thread or b"").decode("latin-1"))

    def routed(self, route: str, model: str) -> None:
        """Note where the turn goes; once more when it goes on elsewhere."""
        self.route, self.model = shown(route), shown(model)

    @property
    def ok(self) -> bool:
        """Whether the client got a whole answer."""
        if self.ended or not 0 < self.status < 400:  # noqa: PLR2004  where HTTP's errors begin
            return False
        return self.terminal in {"", "response.completed"}

    def plain(self) -> dict[str, object]:
        """As plain data, for `flow.metadata`."""
        return {
            "slug": self.slug,
            "route": self.route,
            "model": self.model,
            "thread": self.thread,
            "dropped": list(self.dropped),
            "attempts": [attempt.plain() for attempt in self.attempts],
            "terminal": self.terminal,
            "error": self.error,
            "ended": self.ended,
            "usage": self.usage and self.usage.plain(),
            "ttft": self.ttft,
            "seconds": self.seconds,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
        }


def shown(text: str) -> str:
    """A client's own text as it may stand in a log line: printable, and not long."""
    cut = text[:LONGEST_NAME]
    return cut if cut.isprintable() else "".join(c if c.isprintable() else "?" for c in cut)


def request_headers(plain: Headers, secret_names: Iterable[bytes]) -> list[list[str]]:
    """The headers of a wire request: what is secret by type, or by its name, is hidden."""
    pairs = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in plain]
    shown_pairs = [[name, HIDDEN if looks_secret(name) else value] for name, value in pairs]
    return [*shown_pairs, *([name.decode("latin-1"), HIDDEN] for name in secret_names)]


def answer_headers(headers: Headers) -> list[list[str]]:
    """The headers of an upstream's answer, its cookies hidden."""
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    return [
        [name, HIDDEN if name.strip().lower() in _ANSWER_SECRETS else value]
        for name, value in pairs
    ]


def shown_path(path: str) -> str:
    """A request target without the values of query parameters that look like keys."""
    bare, mark, query = path.partition("?")
    return f"{bare}{mark}{'&'.join(_shown_parameter(one) for one in query.split('&'))}"


def _shown_parameter(parameter: str) -> str:
    name, equals, value = parameter.partition("=")
    return f"{name}{equals}{HIDDEN if value and looks_secret(name) else value}"
