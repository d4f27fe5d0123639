"""The simulated HTTP/2 clients: several turns at once on one connection; single streams may be cancelled."""

from __future__ import annotations

from functools import partial

import h2.config
import h2.connection
import h2.events

from benchmarks.simulation.answers import check_answer
from benchmarks.simulation.clients import WAIT_SECONDS, request_body
from benchmarks.simulation.clock import Clock, ViolationError
from benchmarks.simulation.host import ClientHost
from benchmarks.simulation.ledger import Ledger

CANCEL = 8
"""The error code of a client that does not want the answer any more (RFC 9113, section 7)."""


class Http2Client:
    """One HTTP/2 client connection."""

    alpn: bytes | None = b"h2"

    def __init__(self, clock: Clock, ledger: Ledger, turns: list[int], slugs: list[str]) -> None:
        self.host: ClientHost
        self.done = False
        self._clock = clock
        self._ledger = ledger
        self._turns = turns
        self._slugs = slugs
        self._waiting: dict[int, int] = {}
        """Stream id → its turn, while the answer is awaited."""
        self._heads: dict[int, dict[bytes, bytes]] = {}
        self._bodies: dict[int, bytes] = {}
        config = h2.config.H2Configuration(client_side=True, header_encoding=None)
        self._connection = h2.connection.H2Connection(config)

    def start(self) -> None:
        """Send the preface and every turn, some at once and some later."""
        self._connection.initiate_connection()
        self._flush()
        for turn in self._turns:
            delay = self._clock.random.choice((0.0, 0.0, 0.01, 0.5))
            self._clock.after(delay, "", partial(self._send, turn))
        if self._clock.chance(0.1):
            self._clock.after(self._clock.random.choice((0.01, 1.0)), "", self._leave)

    def receive(self, data: bytes) -> None:
        """Take bytes of the connection."""
        if self.done:
            return
        for event in self._connection.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                self._heads[event.stream_id] = dict(event.headers)
                self._bodies[event.stream_id] = b""
            elif isinstance(event, h2.events.DataReceived):
                self._bodies[event.stream_id] += event.data
                self._connection.acknowledge_received_data(
                    event.flow_controlled_length, event.stream_id
                )
            elif isinstance(event, h2.events.StreamEnded):
                self._check(event.stream_id)
            elif isinstance(event, h2.events.StreamReset):
                self._waiting.pop(event.stream_id, None)
            elif isinstance(event, h2.events.ConnectionTerminated):
                self.done = True
        self._clock.after(0.0, "", self._flush)

    def ended(self) -> None:
        """The connection is closed."""
        self.done = True

    def check_end(self) -> None:
        """Raise ViolationError if a turn that the client still waits for was not answered."""
        if self._waiting and not self.done:
            message = f"{self._waiting} were not answered within {WAIT_SECONDS} s"
            raise ViolationError(message)

    def _send(self, turn: int) -> None:
        if self.done or self.host.ended:
            return
        slug = self._clock.random.choice(self._slugs)
        self._clock.note(f"HTTP/2 client: turn {turn} for {slug}")
        stream_id = self._connection.get_next_available_stream_id()
        headers = [
            (b":method", b"POST"),
            (b":path", b"/v1/responses"),
            (b":scheme", b"http"),
            (b":authority", b"127.0.0.1:8765"),
            (b"originator", b"codex_exec"),
            (b"content-type", b"application/json"),
        ]
        self._connection.send_headers(stream_id, headers)
        self._connection.send_data(stream_id, request_body(turn, slug), end_stream=True)
        self._waiting[stream_id] = turn
        self._flush()
        if self._clock.chance(0.08):
            delay = self._clock.random.choice((0.0, 0.05, 2.0))
            self._clock.after(delay, "", lambda: self._cancel(stream_id))

    def _cancel(self, stream_id: int) -> None:
        if stream_id in self._waiting and not self.done:
            self._clock.note(f"HTTP/2 client: cancels turn {self._waiting.pop(stream_id)}")
            self._connection.reset_stream(stream_id, CANCEL)
            self._flush()

    def _leave(self) -> None:
        if not self.done:
            self._clock.note("HTTP/2 client: leaves")
            self._waiting.clear()
            self.host.client_left(reset=self._clock.chance(0.5))

    def _flush(self) -> None:
        if data := self._connection.data_to_send():
            self._clock.after(0.0, "", lambda: self.host.client_data(data))

    def _check(self, stream_id: int) -> None:
        turn = self._waiting.pop(stream_id, None)
        head, body = self._heads.pop(stream_id), self._bodies.pop(stream_id)
        if turn is not None:
            streams = head.get(b"content-type", b"").startswith(b"text/event-stream")
            check_answer(self._ledger, turn, int(head[b":status"]), body, streams=streams)
        if not self._waiting and self._clock.chance(0.5):
            self._clock.after(1.0, "", self._leave)
