"""A script of model answers that any protocol can play, and the strict server that plays it.

The script uses Codex's names of tools; the server looks up the names that the request declares. Never does: repair a
request, answer one that the validator of the protocol rejects. Invariant: every body is recorded before it is answered;
a rejected request consumes no answer of the script.
"""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Self

from tests.fakes.http_messages import Action, Answer, Cut, Gate, HeaderList, Hold, Request, Send
from tests.fakes.http_server import HttpServer

Json = dict[str, object]
KEY = "sk-fabricated-upstream-key-0001"
SSE_HEADERS: HeaderList = (
    (b"content-type", b"text/event-stream"),
    (b"x-request-id", b"req_fake_1"),
)
JSON_HEADERS: HeaderList = ((b"content-type", b"application/json"),)
PIECES = 3
"""The number of deltas of a text or an argument string."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one answer; `read` and `written` are parts of `input`."""

    input: int = 1200
    read: int = 1000
    written: int = 0
    output: int = 34
    reasoning: int = 10


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call, with Codex's name of the tool."""

    name: str
    arguments: str
    id: str = "call_1"


def call(name: str, id: str = "call_1", **arguments: object) -> Call:  # noqa: A002  the name in the protocol
    """Return a call with these arguments."""
    return Call(name, json.dumps(arguments, ensure_ascii=False), id)


def command(cmd: str, id: str = "call_1") -> Call:  # noqa: A002
    """Return a call of Codex's shell tool."""
    return call("exec_command", id, cmd=cmd)


@dataclass(frozen=True, slots=True)
class ScriptedAnswer:
    """One answer of the model: reasoning, then text, then calls."""

    text: str = ""
    thought: str = ""
    calls: tuple[Call, ...] = ()
    usage: Usage = Usage()
    stop: str = ""
    """The stop reason in the protocol, if it is not the usual one."""
    extra_delta: Mapping[str, object] = field(default_factory=dict)
    """Chat only: one more delta after the text."""


def say(
    text: str = "", *calls: Call, thought: str = "", usage: Usage | None = None
) -> ScriptedAnswer:
    """Return an answer with text, then calls."""
    return ScriptedAnswer(text, thought, calls, usage or Usage())


class Ending(Enum):
    """How an incomplete answer ends."""

    CLEAN = auto()
    """The body ends, but the answer is incomplete."""
    FIN = auto()
    RESET = auto()
    ERROR = auto()
    """An error object inside the 200 stream."""


@dataclass(frozen=True, slots=True)
class Broken:
    """An answer that ends after the first event that contains `after`."""

    say: ScriptedAnswer
    after: bytes
    ending: Ending


@dataclass(frozen=True, slots=True)
class Held:
    """An answer that waits at a gate after the first event that contains `after`."""

    say: ScriptedAnswer
    after: bytes
    gate: Gate


@dataclass(frozen=True, slots=True)
class Refuse:
    """An error status with a body in the form of the protocol."""

    status: int
    message: str
    code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


Written = Callable[[Json], ScriptedAnswer]
"""An answer that depends on the request."""
Turn = ScriptedAnswer | Broken | Held | Refuse | Written


class ModelUpstream(ABC):
    """A server of one protocol on a port of 127.0.0.1, for use as a context manager."""

    path: str

    def __init__(self) -> None:
        self.bodies: list[Json] = []
        """The body of every model call, rejected ones included."""
        self.objections: list[str] = []
        """The objections of the validator. A test that leaves any fails."""
        self.default_answer: Turn | None = None
        """The answer after the end of the script; None is an objection."""
        self._script: deque[Turn] = deque()
        self._lock = threading.Lock()
        self._server = HttpServer(self._respond)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__(None, None, None)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.port}/v1"

    @property
    def requests(self) -> list[Request]:
        """Return the bytes of every request."""
        return self._server.requests

    @property
    def connections(self) -> int:
        """How many were opened to it."""
        return self._server.connections

    @property
    def client_left(self) -> threading.Event:
        """Set when a client went away before its answer ended."""
        return self._server.client_left

    def play(self, *turns: Turn) -> None:
        """Add to the script: one turn a request."""
        self._script.extend(turns)

    def reset(self) -> None:
        """Forget the script and what was recorded: the next test begins."""
        self._script.clear()
        self.bodies.clear()
        self.objections.clear()
        self.requests.clear()
        self.client_left.clear()
        self.default_answer = None

    @property
    def remaining(self) -> int:
        """Return how many answers of the script were not requested."""
        return len(self._script)

    @abstractmethod
    def events(self, answer: ScriptedAnswer, body: Json) -> Sequence[bytes]:
        """The whole stream of one answer, event by event."""

    @abstractmethod
    def error_event(self, message: str) -> bytes:
        """An error inside a 200 stream."""

    @abstractmethod
    def error_body(self, refuse: Refuse) -> Json:
        """The body of an error status."""

    @abstractmethod
    def objections_to(self, body: Json) -> list[str]:
        """Return what the real API would reject."""

    @abstractmethod
    def is_known(self, request: Request) -> bool:
        """Return whether the request has the key in the header of the protocol."""

    @abstractmethod
    def declared(self, body: Json) -> list[str]:
        """Return the names of the tools that the request declares."""

    def call_as_declared(self, scripted_call: Call, body: Json) -> Call:
        """Return the call with the name that the request declares for the tool. An unknown name is unchanged."""
        names = self.declared(body)
        found = scripted_call.name if scripted_call.name in names else None
        found = found or next(
            (name for name in names if name.endswith(f"__{scripted_call.name}")), None
        )
        return Call(found or scripted_call.name, scripted_call.arguments, scripted_call.id)

    def _respond(self, request: Request) -> Answer:
        if request.path != self.path or request.method != "POST":
            return self._refusal(Refuse(404, f"Unknown request URL: {request.target}"))
        if not self.is_known(request):
            return self._refusal(Refuse(401, "Incorrect API key provided", "invalid_api_key"))
        body = json.loads(request.body)
        with self._lock:
            self.bodies.append(body)
            objections = self.objections_to(body)
            turn = None if objections else self._next()
        if turn is None:
            reasons = objections or ["the test's script has no more answers"]
            self.objections += reasons
            return self._refusal(Refuse(400, "; ".join(reasons), "invalid_request_error"))
        return self._played(turn, body)

    def _played(self, turn: Turn, body: Json) -> Answer:
        if isinstance(turn, Refuse):
            return self._refusal(turn)
        if isinstance(turn, ScriptedAnswer | Broken | Held):
            return self._stream(turn, body)
        return self._stream(turn(body), body)

    def _next(self) -> Turn | None:
        return self._script.popleft() if self._script else self.default_answer

    def _refusal(self, refuse: Refuse) -> Answer:
        data = json.dumps(self.error_body(refuse)).encode()
        extra = tuple((name.encode(), value.encode()) for name, value in refuse.headers.items())
        return Answer((Send(data),), refuse.status, (*JSON_HEADERS, *extra), chunked=False)

    def _stream(self, turn: ScriptedAnswer | Broken | Held, body: Json) -> Answer:
        answer = turn if isinstance(turn, ScriptedAnswer) else turn.say
        events = self.events(answer, body)
        if isinstance(turn, ScriptedAnswer):
            return Answer(_sent(events), headers=SSE_HEADERS)
        kept = _count_until(events, turn.after)
        if isinstance(turn, Held):
            wait: tuple[Action, ...] = (Hold(turn.gate),)
            actions = (*_sent(events[:kept]), *wait, *_sent(events[kept:]))
            return Answer(actions, headers=SSE_HEADERS)
        return Answer((*_sent(events[:kept]), *self._end(turn.ending)), headers=SSE_HEADERS)

    def _end(self, ending: Ending) -> tuple[Action, ...]:
        if ending is Ending.CLEAN:
            return ()
        if ending is Ending.ERROR:
            return (Send(self.error_event("the model failed")),)
        return (Cut(reset=ending is Ending.RESET),)


def pieces(text: str) -> Iterable[str]:
    """Return the text as `PIECES` deltas, none of them empty."""
    size = max(1, -(-len(text) // PIECES))
    return (text[start : start + size] for start in range(0, len(text), size))


def _sent(events: Iterable[bytes]) -> tuple[Action, ...]:
    return tuple(Send(event) for event in events)


def _count_until(events: Sequence[bytes], marker: bytes) -> int:
    return next(index for index, event in enumerate(events, 1) if marker in event)
