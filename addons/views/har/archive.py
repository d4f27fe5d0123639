"""Exchanges as an HTTP Archive (HAR) 1.2, which the network panels of browsers import.

Sources: softwareishard.com/blog/har-12-spec, the JSON schemas of har-schema 2.0, and what Chromium's importer reads:
`_resourceType` and `_webSocketMessages`. `_eventSourceMessages` is what Chromium writes for a stream of events. Every other
field that is in no specification begins with an underscore, too.

Never does: look for a secret; what makes the exchanges does. Invariant: the times of an entry add up to its `time`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from math import isfinite
from urllib.parse import parse_qsl

from addons.core.json_values import JsonDict
from addons.core.version import VERSION

Pairs = tuple[tuple[str, str], ...]
UNKNOWN = -1
"""In the place of a size or a time that nobody measured."""
PAGE = "thread"
LAST_SECOND = 4e9
TEXT_FRAME = 1
"""The opcode of a WebSocket frame with text."""


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event of a stream. `at` is in seconds since the request."""

    at: float
    name: str
    data: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer."""

    started: float
    """Unix seconds."""
    method: str
    url: str
    headers: Pairs
    body: str
    status: int
    """0: there was no answer."""
    answer_headers: Pairs
    answer: str
    first: float
    """Seconds until the answer began."""
    seconds: float
    """Seconds until it ended."""
    comment: str
    events: tuple[StreamEvent, ...] = ()
    is_socket: bool = False
    """Whether it was a turn over a WebSocket."""


def archive(exchanges: Iterable[Exchange], thread: str) -> JsonDict:
    """Return the archive of a thread. There is at least one exchange."""
    ordered = sorted(exchanges, key=lambda each: _seconds(each.started))
    page = {
        "startedDateTime": _time(ordered[0].started),
        "id": PAGE,
        "title": f"thread {thread}",
        "pageTimings": {"onContentLoad": UNKNOWN, "onLoad": UNKNOWN},
    }
    log = {
        "version": "1.2",
        "creator": {"name": "codex-shim", "version": VERSION},
        "pages": [page],
        "entries": [_entry(each) for each in ordered],
    }
    return {"log": log}


def _entry(exchange: Exchange) -> JsonDict:
    seconds = _seconds(exchange.seconds)
    first = min(_seconds(exchange.first), seconds)
    wait, total = round(first * 1000, 3), round(seconds * 1000, 3)
    unknown = dict.fromkeys(("blocked", "dns", "connect", "ssl"), UNKNOWN)
    return {
        "pageref": PAGE,
        "startedDateTime": _time(exchange.started),
        "time": total,
        "request": _request(exchange),
        "response": _response(exchange),
        "cache": {},
        "timings": {**unknown, "send": 0, "wait": wait, "receive": round(total - wait, 3)},
        "comment": exchange.comment,
        **_messages(exchange),
    }


def _request(exchange: Exchange) -> JsonDict:
    found: JsonDict = {
        "method": exchange.method,
        "url": exchange.url,
        **_common(exchange.headers, exchange.body),
        "queryString": [
            {"name": name, "value": value}
            for name, value in parse_qsl(_query(exchange.url), keep_blank_values=True)
        ],
    }
    if exchange.body:
        kind = _header(exchange.headers, "content-type") or "application/json"
        found["postData"] = {"mimeType": kind, "text": exchange.body}
    return found


def _response(exchange: Exchange) -> JsonDict:
    try:
        phrase = HTTPStatus(exchange.status).phrase
    except ValueError:
        phrase = ""
    common = _common(exchange.answer_headers, exchange.answer)
    return {
        "status": exchange.status,
        "statusText": phrase,
        **common,
        "content": {
            "size": common["bodySize"],
            "mimeType": _header(exchange.answer_headers, "content-type") or "x-unknown",
            "text": exchange.answer,
        },
        "redirectURL": _header(exchange.answer_headers, "location"),
    }


def _common(headers: Pairs, body: str) -> JsonDict:
    return {
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": [{"name": name, "value": value} for name, value in headers],
        "headersSize": UNKNOWN,
        "bodySize": len(body.encode("utf-8", "replace")),
    }


def _messages(exchange: Exchange) -> JsonDict:
    """Return the events of a stream with their times, in the fields of browsers."""
    at = _seconds(exchange.started)
    if exchange.is_socket:
        sent = {"type": "send", "time": at, "opcode": TEXT_FRAME, "data": exchange.body}
        received = [
            {
                "type": "receive",
                "time": at + _seconds(each.at),
                "opcode": TEXT_FRAME,
                "data": each.data,
            }
            for each in exchange.events
        ]
        return {"_resourceType": "websocket", "_webSocketMessages": [sent, *received]}
    messages = [
        {
            "time": at + _seconds(each.at),
            "eventName": each.name or "message",
            "eventId": "",
            "data": each.data,
        }
        for each in exchange.events
    ]
    return {"_resourceType": "fetch"} | ({"_eventSourceMessages": messages} if messages else {})


def _header(headers: Pairs, wanted: str) -> str:
    return next((value for name, value in headers if name.lower() == wanted), "")


def _query(url: str) -> str:
    # not by `urlsplit`, which raises for the hosts of a damaged file
    return url.partition("#")[0].partition("?")[2]


def _time(seconds: float) -> str:
    """Return a time as browsers read it."""
    moment = datetime.fromtimestamp(_seconds(seconds), UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _seconds(seconds: float) -> float:
    """Return a number of seconds. One of a damaged file is moved to what has a date."""
    return min(max(seconds, 0.0), LAST_SECOND) if isfinite(seconds) else 0.0
