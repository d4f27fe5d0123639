"""How a turn ended, as a sentence for people, from the codes of its record.

Never does: quote an upstream. Invariant: total; a code without a sentence of its own is shown as words.
"""

from __future__ import annotations

from collections.abc import Mapping

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
    "budget_exceeded": "A budget of models.json is used up. Type `codex-shim budget`.",
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
