"""Fills the record of one turn as the engine carries it out.

Never does: read a secret (it is given wire requests before the egress step), copy a body that nobody will look at,
keep a flow from going on. Invariant: nothing is noted after the end; while nobody captures, a read of the stream
costs one addition.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from mitmproxy import http

from addons.core.credential import Secret
from addons.core.headers import header
from addons.core.record import METADATA, AttemptRecord, TurnRecord, request_headers, shown_path
from addons.core.record_line import marker, summary
from addons.core.turn import Asked, Fault, Head, Reply, Report, Reports, Translator, WireRequest
from addons.core.wire.responses import whole_report

FIRST_SIGNS = (b".delta", b"output_item.done")
"""What an event of the client's stream holds when it carries a part of the answer."""
MOST_READS, READ_SECONDS = 500, 0.01
"""How many times are kept of an answer, and how close two of them may be."""

ANSWERS = 200
"""The status of a program that runs."""


class Recorder:
    """One turn's. `capture` is how much of each body on the wire is kept, in bytes."""

    __slots__ = (
        "_attempt",
        "_attempt_began",
        "_began",
        "_capture",
        "_now",
        "_reply",
        "_secrets",
        "record",
    )

    def __init__(self, record: TurnRecord, capture: int, now: Callable[[], float]) -> None:
        self.record = record
        self._capture = capture
        self._now = now
        self._began = now()
        self._attempt: AttemptRecord | None = None
        self._attempt_began = 0.0
        self._reply: Reply | None = None
        self._secrets: list[Secret] = []
        """Of the attempt under way."""

    def turn_begins(self, flow: http.HTTPFlow) -> None:
        """The request is whole and goes to the front."""
        record = self.record
        self._began = self._now()
        record.started = time.time()
        record.id = flow.id
        record.bytes_in = len(flow.request.raw_content or b"")
        record.replay = flow.is_replay is not None

    def attempt_begins(self, wire: WireRequest, flow: http.HTTPFlow) -> None:
        """An attempt is about to connect."""
        attempt = self._attempt_at(f"{wire.origin}{shown_path(wire.path)}", wire.method)
        self._secrets = [field.secret for field in wire.secrets]
        if self.record.thread:
            self.record.wire_body = wire.body
            self.record.wire_encoding = header(wire.headers, b"content-encoding")
        if self._capture:
            host = (b"host", wire.origin.authority.encode())
            secret_names = [secret.name for secret in wire.secrets]
            attempt.request_headers = request_headers((host, *wire.headers), secret_names)
            self._keep(attempt, wire.body)
            self._show(flow)

    def program_asked(self, asked: Asked, flow: http.HTTPFlow) -> None:
        """A program of this machine is about to answer."""
        attempt = self._attempt_at(asked.program, "RUN")
        # it has no head that could come
        attempt.status = ANSWERS
        if self._capture:
            self._keep(attempt, asked.body)
            self._show(flow)

    def _attempt_at(self, url: str, method: str) -> AttemptRecord:
        reason = self._reason()
        self.attempt_ended()
        self._attempt_began = self._now()
        attempt = self._attempt = AttemptRecord(url, reason, method, time.time())
        self.record.attempts.append(attempt)
        return attempt

    def _keep(self, attempt: AttemptRecord, body: bytes) -> None:
        attempt.request_body = body[: self._capture]
        attempt.request_cut = len(body) > self._capture

    def _reason(self) -> str:
        if not self.record.attempts:
            return ""
        last = self.record.attempts[-1]
        return f"after {last.outcome or last.status}"

    def head(self, head: Head, flow: http.HTTPFlow) -> None:
        """The upstream's head is here."""
        if attempt := self._attempt:
            attempt.status = head.status
            attempt.answer_headers = head.headers
            attempt.first_byte = self._now() - self._attempt_began
            if self._capture:
                attempt.hide(self._secrets)
                self._show(flow)

    def heard(self, data: bytes) -> None:
        """The upstream said more."""
        if self._capture and (attempt := self._attempt):
            room = self._capture - len(attempt.answer_body)
            attempt.answer_body += data[:room]
            attempt.answer_cut = attempt.answer_cut or len(data) > room
            self._timed(attempt)

    def _timed(self, attempt: AttemptRecord) -> None:
        at, size = round(self._now() - self._attempt_began, 4), len(attempt.answer_body)
        last = attempt.reads[-1] if attempt.reads else None
        if last and (at - last[0] < READ_SECONDS or len(attempt.reads) >= MOST_READS):
            last[1] = size
        else:
            attempt.reads.append([at, size])

    def attempt_ended(self, fault: Fault | None = None) -> None:
        """The attempt is over: by a fault, by another attempt, by its own end."""
        attempt, self._attempt = self._attempt, None
        secrets, self._secrets = self._secrets, []
        if attempt:
            attempt.hide(secrets)
            attempt.seconds = self._now() - self._attempt_began
            attempt.outcome = str(fault.kind if fault else attempt.status or "given up")

    def wrote(self, data: bytes) -> None:
        """The client was given bytes of a stream."""
        record = self.record
        record.bytes_out += len(data)
        if record.ttft is None and any(sign in data for sign in FIRST_SIGNS):
            record.ttft = self._now() - self._began

    def answered(self, reply: Reply) -> None:
        """The client was given a whole answer."""
        self._reply = reply
        self.record.bytes_out = len(reply.body)

    def turn_ended(self, flow: http.HTTPFlow, translator: Translator | None) -> None:
        """Everything was written: sum up, and put what the views show beside the flow."""
        record = self.record
        if not record.slug:
            return
        self.attempt_ended()
        record.seconds = self._now() - self._began
        record.status = flow.response.status_code if flow.response else 0
        report = self._report(translator)
        record.terminal, record.error = report.terminal, report.error
        record.usage, record.rate_limits = report.usage, report.rate_limits
        flow.comment = summary(record)
        flow.marked = marker(record)
        self._show(flow)

    def _report(self, translator: object) -> Report:
        if self._reply:
            return whole_report(self._reply.head, self._reply.body)
        return translator.report() if isinstance(translator, Reports) else Report()

    def _show(self, flow: http.HTTPFlow) -> None:
        flow.metadata[METADATA] = self.record.plain()
