"""How a turn ended, as a sentence for people, from the codes of its record; the last turn of each model.

Never does: quote an upstream. Invariant: total; a code without a sentence of its own is shown as words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from addons.core.telemetry.record import TurnRecord

COMPLETE = "The answer is complete."
ENDED: Mapping[str, str] = {
    "client_left": "The client left before the answer had ended.",
    "connect": "codex-shim could not connect to the upstream.",
    "tls": "codex-shim does not trust the certificate of the upstream.",
    "upgrade": "The upstream opened no WebSocket.",
    "reset": "The upstream closed the connection before it answered.",
    "protocol": "The upstream did not send valid HTTP.",
    "cut": "The upstream ended the connection in the middle of its answer.",
    "stall": "The upstream was silent for too long.",
    "unread": "The client did not read its answer.",
    "killed": "The turn was ended by hand in mitmproxy.",
    "shutdown": "codex-shim was shut down.",
    "internal": "codex-shim failed internally. Type `codex-shim report --last`.",
}
"""`ended` of a record: a member of `FaultKind`, or that the client left."""
ERRORS: Mapping[str, str] = {
    "context_length_exceeded": "The prompt is longer than the context window of the model.",
    "empty_answer": "The upstream sent an answer without text and without a call.",
    "insufficient_quota": "The quota of the account is used up. Type `codex-shim usage`.",
    "invalid_prompt": "The request was refused. Codex shows why.",
    "login_expired": "The login has expired. Type `codex login`.",
    "login_missing": "There is no login. Type `codex login`.",
    "model_hidden": "The model is not available. Type `codex-shim list --all`.",
    "model_not_found": "No model has this name. Type `codex-shim list --all`.",
    "rate_limit_exceeded": "The upstream takes no more requests for now. Type `codex-shim usage`.",
    "server_error": "The upstream failed.",
    "server_is_overloaded": "The upstream is overloaded.",
    "stream_interrupted": ENDED["cut"],
    "upstream_closed": ENDED["reset"],
    "upstream_protocol": ENDED["protocol"],
    "upstream_stalled": ENDED["stall"],
    "upstream_unreachable": ENDED["connect"],
    "usage_limit_reached": "The usage limit of the plan is reached. Type `codex-shim usage`.",
}
"""`error` of a record."""


def outcome_text(*, ok: bool, status: int, terminal: str, error: str, ended: str) -> str:
    """Return how a turn ended, as one sentence."""
    if ok:
        return COMPLETE
    if known := ENDED.get(ended) or ERRORS.get(error):
        return known
    if error:
        return f"The turn failed: {error.replace('_', ' ')}."
    if terminal == "response.incomplete":
        return "The upstream ended the answer before it was complete."
    return f"The turn failed with status {status}." if status else "The turn failed."


# The last turn of each model ------------------------------------------------------------------------------

TurnStatus = Mapping[str, object]
"""Whether a turn succeeded, when it ended, and why it failed; the value of `last` in the models API."""


def turn_status(ok: bool, ended_at: float, codes: Iterable[str], status: int) -> TurnStatus:  # noqa: FBT001  a value of the record
    """Return the status of a turn. The reason of a failure is the first of its codes."""
    reason = "" if ok else next(filter(None, codes), f"status {status}")
    return {"ok": ok, "ended_at": round(ended_at, 1), "reason": reason}


class LastTurnStatus:
    """The status of the last turn of each model: of this process, and before its first one that of the ledger.

    Invariant: at most one status for each route. A turn without a route is not recorded.
    """

    def __init__(self) -> None:
        self._last: dict[str, TurnStatus] = {}

    def recall(self, slug: str, status: TurnStatus) -> None:
        """Record an earlier turn, unless a later one is known."""
        known = self._last.setdefault(slug, status)
        if cast("float", known["ended_at"]) < cast("float", status["ended_at"]):
            self._last[slug] = status

    def note(self, record: TurnRecord) -> None:
        """Record the end of a turn under the slug of its route."""
        if record.row:
            codes = (record.error, record.ended, record.terminal)
            ended_at = record.started + record.seconds
            self._last[record.row] = turn_status(record.ok, ended_at, codes, record.status)

    def get(self, slug: str) -> TurnStatus | None:
        """Return the status of the last turn of a model, None before its first one."""
        return self._last.get(slug)
