"""Answers that are not event streams pass unchanged and are summarized within the limit."""

from __future__ import annotations

import orjson
import pytest

from addons.core.protocols.responses.observer import (
    JsonPassThrough,
    PassThrough,
    StreamObserver,
    native_translator,
)
from addons.core.turn import Fault, FaultKind, Head
from addons.core.usage import Usage

USAGE = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
BODY = orjson.dumps({"usage": USAGE})
JSON = Head(200, ((b"content-type", b"application/json; charset=utf-8"),))


@pytest.mark.parametrize(
    ("status", "fields", "kind"),
    [
        (200, {b"content-type": b"text/event-stream"}, StreamObserver),
        (200, {b"content-type": b"Text/Event-Stream; charset=utf-8"}, StreamObserver),
        (
            200,
            {b"content-type": b"text/event-stream", b"content-encoding": b" Identity "},
            StreamObserver,
        ),
        (200, {b"content-type": b"text/event-stream", b"content-encoding": b"gzip"}, PassThrough),
        (201, {b"content-type": b"text/event-stream"}, PassThrough),
        (429, {b"content-type": b" application/json ;x=y"}, JsonPassThrough),
        (200, {b"content-type": b"application/json", b"content-encoding": b"gzip"}, PassThrough),
        (200, {b"content-type": b"text/html"}, PassThrough),
        (200, {}, PassThrough),
    ],
)
def test_translator_depends_on_the_head(
    status: int, fields: dict[bytes, bytes], kind: type
) -> None:
    assert type(native_translator(Head(status, tuple(fields.items())), 100)) is kind


@pytest.mark.parametrize(
    ("room", "seen"), [(len(BODY), Usage(1, 0, 2, 0, 3)), (len(BODY) - 1, None)]
)
def test_json_is_read_up_to_the_limit(room: int, seen: Usage | None) -> None:
    through = JsonPassThrough(JSON, room)
    assert [through.feed(BODY[:5]), through.feed(BODY[5:])] == [BODY[:5], BODY[5:]]
    assert through.summarize().usage == seen


def test_nothing_is_added() -> None:
    through = PassThrough()
    assert (through.feed(b"x"), through.finish(), through.terminal) == (b"x", b"", False)
    assert through.fail(Fault(FaultKind.CUT, "x")) == b""
