"""Hands finished turns to the writer of a cassette, where one is recorded, and their text to the export of turns.

Never does: read a body, mask or write on the event loop; the thread of the writer does. Invariant: of each turn
everything that its client got is handed over, once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mitmproxy import http

from addons.adapters.cassette.writer import CassetteWriter
from addons.core.cassette.recording import FinishedTurn
from addons.core.masking.mask import EchoMask
from addons.core.routes import RouteTable
from addons.core.telemetry.record import TurnRecord

if TYPE_CHECKING:
    from addons.adapters.otel.exporter import TurnExporter

Tape = list[tuple[float, bytes]]


class TurnTap:
    """Takes what the engine recorded of each turn."""

    def __init__(self, writer: CassetteWriter, table: Callable[[], RouteTable]) -> None:
        self._writer = writer
        self._table = table

    def recorded(self, flow: http.HTTPFlow, turn: TurnRecord, mask: EchoMask, tape: Tape) -> None:
        """Note a turn that has ended."""
        request, response = flow.request, flow.response
        tape = _whole(flow, turn, tape)
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
            turn.started,
        )
        self._writer.note(finished)


class TextTap:
    """Takes the text of each turn for the export."""

    def __init__(self, export: TurnExporter, is_private: Callable[[], bool]) -> None:
        self._export = export
        self._is_private = is_private

    def recorded(self, flow: http.HTTPFlow, turn: TurnRecord, mask: EchoMask, tape: Tape) -> None:
        """Note a turn that has ended. The flow has the values that the privacy gate keeps on this machine."""
        if self._is_private():
            return
        from addons.adapters.otel.texts import TurnText  # noqa: PLC0415  only with an export

        headers = flow.request.headers
        encoding = headers.get("content-encoding", "").encode("latin-1", "replace")
        answer = b"".join(data for _, data in _whole(flow, turn, tape))
        body = flow.request.raw_content or b""
        self._export.text_of(turn.id, TurnText(body, encoding, answer, mask))


def _whole(flow: http.HTTPFlow, turn: TurnRecord, tape: Tape) -> Tape:
    """Return what a client got: of an answer that was no stream, its body."""
    if not tape and flow.response and flow.response.raw_content:
        return [(turn.seconds, flow.response.raw_content)]
    return tape
