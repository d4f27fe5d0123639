"""Hands finished turns to the writer of a cassette, where one is recorded.

Never does: read a body, mask or write on the event loop; the writer's thread does. Invariant: of each turn everything
that its client got is handed over, once.
"""

from __future__ import annotations

from collections.abc import Callable

from mitmproxy import http

from addons.adapters.cassette.writer import CassetteWriter
from addons.core.cassette.recording import FinishedTurn
from addons.core.masking.mask import EchoMask
from addons.core.routes import RouteTable
from addons.core.telemetry.record import TurnRecord

Tape = list[tuple[float, bytes]]


class TurnTap:
    """Takes what the engine recorded of each turn."""

    def __init__(self, writer: CassetteWriter, table: Callable[[], RouteTable]) -> None:
        self._writer = writer
        self._table = table

    def recorded(self, flow: http.HTTPFlow, turn: TurnRecord, mask: EchoMask, tape: Tape) -> None:
        """Note a turn that has ended."""
        request, response = flow.request, flow.response
        if not tape and response and response.raw_content:
            tape = [(turn.seconds, response.raw_content)]
        route = self._table().resolve(turn.slug) if self._writer.is_new(turn.slug) else None
        finished = FinishedTurn(
            request.method,
            request.path,
            str(turn.transport),
            turn.thread,
            turn.agent,
            turn.slug,
            tuple(request.headers.fields),
            request.raw_content or b"",
            response.status_code if response else 0,
            tuple(response.headers.fields) if response else (),
            tape,
            mask,
            route.entry_for("") if route else {},
        )
        self._writer.note(finished)
