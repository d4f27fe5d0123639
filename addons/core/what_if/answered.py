"""The header in which the shim says who answered a turn of a comparison, and what it changed in the request.

Never does: hold a text of the request or of the answer. Invariant: the value is visible ASCII of bounded length;
`read_answered` is total.
"""

from __future__ import annotations

import json
from itertools import islice

from addons.core.json_values import as_object, as_str
from addons.core.telemetry.record import MAX_NOTES
from addons.core.turn import TurnNotes, printable
from addons.core.what_if.answer import Answer, texts_of

ANSWERED_HEADER = b"x-codex-shim-answered"
FALLBACK_HEADER = "x-codex-shim-fallback"
"""Written by `addons.core.providers.fallback`: `slug -> slug`."""


def answered_value(notes: TurnNotes) -> bytes:
    """Return the value of the header."""
    fields: dict[str, object] = {
        "provider": notes.route,
        "model": notes.model,
        "label": notes.label,
        "left_out": [printable(one) for one in islice(notes.dropped, MAX_NOTES)],
        "changed": [printable(one) for one in islice(notes.repairs, MAX_NOTES)],
    }
    return json.dumps(fields).encode()


def read_answered(answer: Answer, value: str, fallback: str) -> None:
    """Read the values of both headers; empty where there was none."""
    try:
        fields = as_object(json.loads(value))
    except ValueError:
        return
    answer.provider = as_str(fields.get("provider"))
    answer.model = as_str(fields.get("model"))
    answer.label = as_str(fields.get("label"))
    answer.left_out += texts_of(fields.get("left_out"))
    answer.changed += texts_of(fields.get("changed"))
    answer.answered_by = fallback.rpartition(" -> ")[2]
