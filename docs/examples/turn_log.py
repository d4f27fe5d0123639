"""A mitmproxy addon that runs together with codex-shim and logs the model, tokens and duration of each turn.

    mitmdump -s "$(codex-shim addon-path)" -s docs/examples/turn_log.py --mode reverse:http://127.0.0.1:9@127.0.0.1:8765

codex-shim stores the record of a turn in `flow.metadata["codex_shim"]` before mitmproxy calls `response` or `error`. The
record is plain data without credentials and is part of flow files as well, so this addon also works on a saved flow
(`mitmdump -n -r turns.mitm -s docs/examples/turn_log.py`). Its fields are those of `TurnRecord.plain` in
`addons/core/telemetry/record.py`.
"""

from __future__ import annotations

import logging

from mitmproxy import http

RECORD = "codex_shim"

log = logging.getLogger(__name__)


class TurnLog:
    """Log one line per turn. Flows that are not turns, such as a health check, have no record."""

    def response(self, flow: http.HTTPFlow) -> None:
        """Log a turn that ended with a response."""
        self._log(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        """Log a turn that ended without a complete response."""
        self._log(flow)

    def _log(self, flow: http.HTTPFlow) -> None:
        record = flow.metadata.get(RECORD)
        if record is None:
            return
        usage = record["usage"] or {}
        log.info(
            "turn: %s -> %s/%s, %s, %s tokens in, %s out, %.2f s",
            record["slug"],
            record["route"],
            record["model"],
            record["error"] or record["terminal"] or record["ended"] or "answered",
            usage.get("input", "unknown"),
            usage.get("output", "unknown"),
            record["seconds"],
        )


addons = [TurnLog()]
