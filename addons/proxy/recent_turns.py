"""What is kept of finished turns: the last few, and the names in them that no recorded contract of Codex has.

Never does: hold a connection, write to disk on the event loop. Invariant: of the remembered turns only masked structure
leaves, apart from `original`, which is for the owner of the local token; together their bodies are at most `MAX_BYTES`. The
request of at most one turn in `INTERVAL_SECONDS` is compared with the contracts: a thread sends its items again with every
turn, so little is missed.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import orjson
from mitmproxy import http

from addons.adapters.codex.contracts import add_seen, everything_recorded
from addons.adapters.system.tasks import spawn
from addons.core.codex.threads import PURPOSE, SUB_AGENT, USER, WHAT_IF, agent_of
from addons.core.contract.contract import Names, Section
from addons.core.contract.seen import MAX_SEEN, unknown
from addons.core.contract.structure import SentRequest, structure_of
from addons.core.json_values import as_object, as_str
from addons.core.limits import MIB
from addons.core.protocols.request_body import decode
from addons.core.providers.chatgpt_endpoints import FORWARDED
from addons.core.server.endpoints import TURN_PATHS
from addons.core.telemetry.record import METADATA_KEY, body_bytes
from addons.core.turn import ClientRequest, LocalSource, Sink, shim_path
from addons.views.masked_turn import masked_turn
from addons.views.masking import Masker
from addons.views.turn import Turn
from addons.views.turn_data import TurnData, plain_body

MAX_TURNS = 8
MAX_BYTES = 16 * MIB
MASK_SEED_BYTES = 16
INTERVAL_SECONDS = 60.0
MAX_BODY_BYTES = 2 * MIB
"""A body that is larger when decoded is not read, which takes 10 ms for each MiB."""
_CODEX = "codex"
_OF_COMPARISON = (PURPOSE, WHAT_IF.encode())
"""The header of a turn that asks another model the same: it is no turn of a client."""


class FinishedTurn(NamedTuple):
    """One turn without its connections."""

    id: str
    request: http.Request
    response: http.Response | None
    metadata: object
    """The turn's record as the engine wrote it to the flow's metadata."""

    @classmethod
    def of(cls, flow: http.HTTPFlow) -> FinishedTurn:
        """Take what is kept of a flow."""
        return cls(flow.id, flow.request, flow.response, flow.metadata.get(METADATA_KEY))

    def turn(self) -> Turn:
        """Return the turn as the views read it."""
        response = self.response
        return Turn(
            _decoded_body(self.request) or b"",
            _decoded_body(response),
            text_headers(response) if response else (),
            response.status_code if response else 0,
            TurnData.parse(self.metadata),
        )

    @property
    def size(self) -> int:
        """How many bytes of bodies it holds."""
        answer = self.response.raw_content if self.response else None
        bodies = len(self.request.raw_content or b"") + len(answer or b"")
        return bodies + body_bytes(self.metadata)


def text_headers(message: http.Message) -> tuple[tuple[str, str], ...]:
    """Return the headers of a message as text that JSON can hold."""
    fields = message.headers.items(multi=True)
    return tuple((valid_text(name), valid_text(value)) for name, value in fields)


def valid_text(text: str) -> str:
    """Return what mitmproxy made of bytes that are no UTF-8 as text that JSON can hold."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def is_turn(flow: http.HTTPFlow) -> bool:
    """Whether a flow is a turn of a model."""
    return flow.request.method == "POST" and shim_path(flow.request.path) in TURN_PATHS


def is_shown(flow: http.HTTPFlow) -> bool:
    """Whether the views show a flow: a turn, or a request to another endpoint of the ChatGPT backend."""
    if is_turn(flow):
        return True
    return flow.request.method == "POST" and shim_path(flow.request.path) in FORWARDED


def is_of_user(finished: FinishedTurn) -> bool:
    """Return whether a turn is the user's or a sub-agent's: no helper call of Codex, and none that this program made."""
    request = finished.request
    head = ClientRequest(request.method, request.path, tuple(request.headers.fields), b"")
    # some helper calls differ from a turn of the user in their model alone
    slug = as_str(as_object(finished.metadata).get("slug"))
    return agent_of(head, slug) in {USER, SUB_AGENT}


def _decoded_body(message: http.Message | None) -> bytes | None:
    """Return a message's body without its content-encoding. Bounded, unlike mitmproxy's own `content`."""
    if message is None or message.raw_content is None:
        return None
    return plain_body(message.raw_content, message.headers.get("content-encoding", ""))


class RecentTurns:
    """Remembers the last finished turns."""

    def __init__(self) -> None:
        self._turns: deque[tuple[FinishedTurn, int]] = deque()
        self._bytes = 0
        """Of the bodies of these turns."""

    def keep(self, flow: http.HTTPFlow) -> None:
        """Remember a finished turn, and forget older ones to stay within the bounds. Other flows are ignored.

        So are turns of a comparison, which would replace the turns that it is about.
        """
        if not is_turn(flow) or _OF_COMPARISON in flow.request.headers.fields:
            return
        finished = FinishedTurn.of(flow)
        size = finished.size
        self._turns.append((finished, size))
        self._bytes += size
        while len(self._turns) > MAX_TURNS or self._bytes > MAX_BYTES:
            _, size = self._turns.popleft()
            self._bytes -= size

    @property
    def ids(self) -> Sequence[str]:
        """The ids of the remembered turns, oldest first."""
        return [turn.id for turn, _ in self._turns]

    def find(self, id_prefix: str) -> LocalSource | None:
        """Return the source that writes the newest turn whose id begins so, masked, as JSON; None without one."""
        found = [turn for turn, _ in self._turns if turn.id.startswith(id_prefix)]
        if not found:
            return None
        newest = found[-1]
        return written_by_thread(lambda: _masked(newest))

    def original(self, id_prefix: str) -> LocalSource | None:
        """Return the source that writes a turn with its text, as JSON: the one whose id begins so, or the user's newest one.

        None if it is not remembered. A turn that is too large leaves no older one, so none stands in its place.
        """
        turns = [turn for turn, _ in self._turns]
        if id_prefix:
            found = [turn for turn in turns if turn.id.startswith(id_prefix)]
        else:
            found = [turn for turn in turns if is_of_user(turn)]
        if not found:
            return None
        newest = found[-1]
        return written_by_thread(lambda: _with_text(newest))


def written_by_thread(make: Callable[[], bytes]) -> LocalSource:
    """Return the source that writes what `make` returns. Masking megabytes takes a while, so it runs on a thread."""

    async def write(sink: Sink) -> None:
        await sink.write(await asyncio.to_thread(make))

    return write


def _masked(finished: FinishedTurn) -> bytes:
    masker = Masker(secrets.token_bytes(MASK_SEED_BYTES))
    return orjson.dumps({"id": finished.id, **masked_turn(finished.turn(), masker)})


def _with_text(finished: FinishedTurn) -> bytes:
    # only a comparison needs it
    from addons.core.what_if.original import NotComparableError  # noqa: PLC0415
    from addons.proxy.what_if import original_turn  # noqa: PLC0415

    try:
        return orjson.dumps(original_turn(finished).plain())
    except NotComparableError as error:
        return orjson.dumps({"id": finished.id, "refused": str(error)})


class ContractWatch:
    """Looks at finished flows."""

    def __init__(self, env: Mapping[str, str], clock: Callable[[], float] = time.monotonic) -> None:
        self._env = env
        self._clock = clock
        self._due = 0.0
        self._events: set[str] = set()
        """Unknown events that were noted, at most as many as the file has room for."""

    def ended(self, flow: http.HTTPFlow) -> None:
        """Look at a finished flow: at its unknown events, and now and then at its request."""
        now = self._clock()
        listed = as_object(flow.metadata.get(METADATA_KEY)).get("unknown_events")
        events = set(listed) - self._events if isinstance(listed, list) else set[str]()
        if len(self._events) >= MAX_SEEN:
            events.clear()
        if (now < self._due and not events) or _OF_COMPARISON in flow.request.headers.fields:
            return
        if not flow.request.headers.get("originator", "").startswith(_CODEX):
            return
        self._events |= events
        self._due = now + INTERVAL_SECONDS
        spawn(asyncio.to_thread(self._note, _request(flow), events, time.time()), "contract watch")

    def _note(self, sent: SentRequest, events: set[str], now: float) -> None:
        """Note what is unknown about a turn. Blocks."""
        headers = sent.headers or {}
        encoding = headers.get("content-encoding", "").encode("latin-1", "replace")
        body = decode(sent.body, encoding, MAX_BODY_BYTES)
        plain = body if isinstance(body, bytes) else b""
        parts: list[Mapping[Section, Names]] = [structure_of(sent.with_body(plain))]
        parts.append({"event": dict.fromkeys(events, frozenset[str]())})
        client = headers.get("user-agent", "").split(" ", 1)[0]
        add_seen(self._env, unknown(everything_recorded(), parts, client, now))


def _request(flow: http.HTTPFlow) -> SentRequest:
    request = flow.request
    body = request.raw_content or b""
    return SentRequest(
        request.method,
        shim_path(request.path),
        tuple(sorted(set(request.query.keys()))),
        {name.lower(): value for name, value in request.headers.items()},
        body if len(body) <= MAX_BODY_BYTES else b"",
    )
