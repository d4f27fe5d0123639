"""Fills the record of one turn as the engine carries it out.

Never does: read a secret (it sees upstream requests before the egress step), copy a body while capturing is off, delay
a flow. Invariant: nothing is noted after the end; while capturing is off, a read of the stream costs one addition.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import cast

from mitmproxy import http

from addons.core.headers import header
from addons.core.limits import MIB
from addons.core.masking.credentials import redacted_path, redacted_request_headers
from addons.core.masking.mask import EchoMask, TurnMask
from addons.core.protocols.responses.observer import summarize_answer
from addons.core.telemetry.record import (
    METADATA_KEY,
    AttemptRecord,
    TurnRecord,
    ended_comment,
    known_code,
    known_terminal,
    marker,
    running_comment,
)
from addons.core.turn import (
    CapturedInput,
    ClientTransport,
    Fault,
    Head,
    Reply,
    StreamSummary,
    Summarizes,
    Translator,
    UpstreamRequest,
)

DELTA_MARK, ITEM_MARK = b".delta", b"output_item.done"
"""Each event of the client's stream that carries a part of the answer holds one of these."""
MAX_READS, READ_SECONDS = 500, 0.01
"""How many read times are kept of a response, and how close two of them may be."""

WEBSOCKET = "WEBSOCKET"
"""What the views show in the place of a method."""
PROGRAM_STATUS = 200
"""The status of a program that runs."""

OnProgress = Callable[[http.HTTPFlow], None]
"""Called when the comment of a running turn has changed. It must not wait and should not raise."""

Tape = list[tuple[float, bytes]]
"""Seconds since the request was whole, and the bytes of one write to the client."""
MAX_TAPE_BYTES = 32 * MIB
"""A longer answer is not kept."""
OnRecorded = Callable[[http.HTTPFlow, TurnRecord, EchoMask, Tape], None]
"""Called at the end of a turn with all that its client got. It must not wait and should not raise."""


_PUBLIC_PATHS: set[str] = set()
"""Paths of upstream requests in which nothing was redacted."""
MAX_PATHS, MAX_PATH_LENGTH = 64, 200


def _shown(path: str) -> str:
    """Return a path as it is recorded. Nearly every turn has the path of the one before."""
    if path in _PUBLIC_PATHS:
        return path
    if (shown := redacted_path(path)) == path and len(path) <= MAX_PATH_LENGTH:
        if len(_PUBLIC_PATHS) >= MAX_PATHS:
            _PUBLIC_PATHS.clear()
        _PUBLIC_PATHS.add(path)
    return shown


class Recorder:
    """Records one turn. `capture` is how many bytes of each upstream request and response are kept."""

    __slots__ = (
        "_attempt",
        "_attempt_began",
        "_began",
        "_capture",
        "_now",
        "_on_progress",
        "_on_recorded",
        "_reply",
        "_tape",
        "mask",
        "record",
    )

    def __init__(
        self,
        record: TurnRecord,
        capture: int,
        now: Callable[[], float],
        mask: TurnMask | None = None,
        on_progress: OnProgress | None = None,
        *,
        on_recorded: OnRecorded | None = None,
    ) -> None:
        self.record = record
        self.mask = mask or TurnMask()
        """Of the secrets of the turn."""
        self._capture = capture
        self._now = now
        self._on_progress = on_progress
        self._on_recorded = on_recorded
        self._tape: Tape | None = [] if on_recorded else None
        self._began = now()
        self._attempt: AttemptRecord | None = None
        self._attempt_began = 0.0
        self._reply: Reply | None = None

    def turn_begins(self, flow: http.HTTPFlow) -> None:
        """Note that the request is whole and goes to the router."""
        record = self.record
        self._began = self._now()
        record.started = time.time()
        record.id = flow.id
        record.bytes_in = len(flow.request.raw_content or b"")
        record.replay = flow.is_replay is not None

    def routed(self, flow: http.HTTPFlow, transport: ClientTransport) -> None:
        """Note that the router has made a plan for the request."""
        self.record.transport = transport
        self._tell(flow)

    def attempt_begins(self, request: UpstreamRequest, flow: http.HTTPFlow) -> None:
        """Note that an attempt is about to connect."""
        method = request.method if request.frame is None else WEBSOCKET
        attempt = self._attempt_at(f"{request.origin}{_shown(request.path)}", method)
        self.mask.add([*[field.secret for field in request.secrets], *request.body_secrets])
        if self.record.thread:
            self.record.upstream_body = request.body
            self.record.upstream_encoding = header(request.headers, b"content-encoding")
        if self._capture:
            host = (b"host", request.origin.authority.encode())
            secret_names = [secret.name for secret in request.secrets]
            attempt.request_headers = redacted_request_headers(
                (host, *request.headers), secret_names
            )
            self._keep(attempt, request.body)
            self.record.redact(self.mask.current)
            self._show(flow)
        self._tell(flow)

    def program_asked(self, asked: CapturedInput, flow: http.HTTPFlow) -> None:
        """Note that a local program is about to answer."""
        attempt = self._attempt_at(asked.program, "RUN")
        # it has no response head
        attempt.status = PROGRAM_STATUS
        if self._capture:
            self._keep(attempt, asked.body)
            self._show(flow)
        self._tell(flow)

    def _attempt_at(self, url: str, method: str) -> AttemptRecord:
        reason = self._reason()
        self.attempt_ended()
        self._attempt_began = self._now()
        attempt = self._attempt = AttemptRecord(
            url, reason, method, time.time(), route=self.record.route
        )
        self.record.attempts.append(attempt)
        return attempt

    def _keep(self, attempt: AttemptRecord, body: bytes) -> None:
        attempt.request_body = self.mask.current.data(body[: self._capture])
        attempt.request_cut = len(body) > self._capture

    def _reason(self) -> str:
        if not self.record.attempts:
            return ""
        last = self.record.attempts[-1]
        return f"after {last.outcome or last.status}"

    def head(self, head: Head, flow: http.HTTPFlow) -> None:
        """Note the response head of the upstream."""
        if attempt := self._attempt:
            attempt.status = head.status
            attempt.answer_headers = head.headers
            attempt.first_byte = self._now() - self._attempt_began
            if self._capture:
                attempt.redact(self.mask.current)
                self._show(flow)
            self._tell(flow)

    def upstream_active(self, data: bytes) -> None:
        """Note bytes of the upstream."""
        if self._capture and (attempt := self._attempt):
            room = self._capture - len(attempt.answer_body)
            attempt.answer_body += data[:room]
            attempt.answer_cut = attempt.answer_cut or len(data) > room
            self._timed(attempt)

    def _timed(self, attempt: AttemptRecord) -> None:
        at, size = round(self._now() - self._attempt_began, 4), len(attempt.answer_body)
        last = attempt.reads[-1] if attempt.reads else None
        if last and (at - last[0] < READ_SECONDS or len(attempt.reads) >= MAX_READS):
            last[1] = size
        else:
            attempt.reads.append([at, size])

    def attempt_ended(self, fault: Fault | None = None) -> None:
        """Note the end of the attempt: by a fault, by another attempt, by its own end."""
        attempt, self._attempt = self._attempt, None
        if attempt:
            attempt.redact(self.mask.current)
            attempt.seconds = self._now() - self._attempt_began
            attempt.outcome = str(fault.kind if fault else attempt.status or "given up")

    def wrote(self, data: bytes) -> None:
        """Note bytes of a stream that the client is sent."""
        record = self.record
        record.bytes_out += len(data)
        if self._tape is not None:
            self._tape.append((self._now() - self._began, data))
            if record.bytes_out > MAX_TAPE_BYTES:
                self._tape.clear()
        if record.ttft is None and (DELTA_MARK in data or ITEM_MARK in data):
            record.ttft = self._now() - self._began

    def answered(self, reply: Reply) -> None:
        """Note the whole answer that the client is sent."""
        self._reply = reply
        self.record.bytes_out = len(reply.body)

    def turn_ended(self, flow: http.HTTPFlow, translator: Translator | None) -> None:
        """Sum the turn up, and put what the views show into the metadata of the flow."""
        record = self.record
        if not record.slug:
            return
        self.attempt_ended()
        record.seconds = self._now() - self._began
        record.status = flow.response.status_code if flow.response else 0
        report = self._report(translator)
        record.terminal, record.error = known_terminal(report.terminal), known_code(report.error)
        record.usage, record.rate_limits = report.usage, report.rate_limits
        record.unknown_events = report.unknown_events
        record.redact(self.mask.current)
        if self._on_progress is not None:
            flow.comment, flow.marked = ended_comment(record), marker(record)
        self._show(flow)
        if self._on_recorded and self._tape is not None:
            self._on_recorded(flow, record, self.mask.current, self._tape)

    def _report(self, translator: object) -> StreamSummary:
        if self._reply:
            return summarize_answer(self._reply.head, self._reply.body)
        if hasattr(type(translator), "summarize"):
            return cast("Summarizes", translator).summarize()
        return StreamSummary()

    def _show(self, flow: http.HTTPFlow) -> None:
        flow.metadata[METADATA_KEY] = self.record.plain()

    def _tell(self, flow: http.HTTPFlow) -> None:
        """Say in the comment of the flow how far the turn is, where flows are displayed."""
        record = self.record
        if self._on_progress is None or not record.slug:
            return
        record.redact(self.mask.current)
        if flow.comment != (comment := running_comment(record)):
            flow.comment, flow.marked = comment, ""
            self._on_progress(flow)
