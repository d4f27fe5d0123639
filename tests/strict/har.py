"""The published JSON schemas of HAR 1.2, without their descriptions, and what the importer of Chromium refuses.

Sources: npm har-schema 2.0.0; ChromeDevTools/devtools-frontend, front_end/models/har/HARFormat.ts and Importer.ts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from tests.strict.json_schema import problems

TEXT, WHOLE = {"type": "string"}, {"type": "integer"}
SPAN = {"type": "number", "minimum": -1}
WHEN = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-?\d\d-?\d\dT?\d\d:?\d\d:?\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)",
}


def _object(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **optional, "comment": TEXT},
    }


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


PAIR = _object({"name": TEXT, "value": TEXT})
COOKIE = _object({"name": TEXT, "value": TEXT}, path=TEXT, domain=TEXT)
_MESSAGE = {"httpVersion": TEXT, "cookies": _list(COOKIE), "headers": _list(PAIR), "headersSize": WHOLE, "bodySize": WHOLE}  # fmt: skip
REQUEST = _object(
    {"method": TEXT, "url": TEXT, "queryString": _list(PAIR), **_MESSAGE},
    postData=_object({"mimeType": TEXT}, text=TEXT, params=_list(_object({"name": TEXT}))),
)
CONTENT = _object({"size": WHOLE, "mimeType": TEXT}, compression=WHOLE, text=TEXT, encoding=TEXT)
RESPONSE = _object(
    {"status": WHOLE, "statusText": TEXT, "content": CONTENT, "redirectURL": TEXT, **_MESSAGE}
)
TIMINGS = _object(
    {"send": SPAN, "wait": SPAN, "receive": SPAN}, dns=SPAN, connect=SPAN, blocked=SPAN, ssl=SPAN
)
ENTRY = _object(
    {
        "startedDateTime": WHEN,
        "time": {"type": "number", "minimum": 0},
        "request": REQUEST,
        "response": RESPONSE,
        "cache": {"type": "object"},
        "timings": TIMINGS,
    },
    pageref=TEXT,
    serverIPAddress=TEXT,
    connection=TEXT,
)
PAGE = _object(
    {
        "startedDateTime": WHEN,
        "id": TEXT,
        "title": TEXT,
        "pageTimings": _object({}, onContentLoad=SPAN, onLoad=SPAN),
    }
)
CREATOR = _object({"name": TEXT, "version": TEXT})
HAR = _object(
    {
        "log": _object(
            {"version": TEXT, "creator": CREATOR, "entries": _list(ENTRY)},
            pages=_list(PAGE),
            browser=CREATOR,
        )
    }
)


def objections(har: Any) -> Iterator[str]:
    """Yield what a reader objects to."""
    yield from problems(har, HAR, HAR)
    pages = [page["id"] for page in har["log"]["pages"]]
    for at, entry in enumerate(har["log"]["entries"]):
        unknown = [
            key for key in entry if key not in ENTRY["properties"] and not key.startswith("_")
        ]
        if unknown or entry.get("pageref") not in pages:
            yield f"entry {at}: {unknown}, page {entry.get('pageref')}"
        times = [entry["timings"][name] for name in TIMINGS["properties"] if name != "comment"]
        if not math.isclose(sum(max(0, each) for each in times), entry["time"], abs_tol=0.002):
            yield f"entry {at}: {times} are not {entry['time']}"
        yield from _frame_problems(entry, at)


def _frame_problems(entry: Any, at: int) -> Iterator[str]:
    for frame in entry.get("_webSocketMessages", ()):
        kinds = {"type": str, "data": str, "opcode": int, "time": float}
        if frame.keys() != kinds.keys() or not all(
            isinstance(frame[k], t) for k, t in kinds.items()
        ):
            yield f"entry {at}: {frame}"
        elif frame["type"] not in {"send", "receive"}:
            yield f"entry {at}: a frame is {frame['type']}"
