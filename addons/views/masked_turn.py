"""A turn with everything that is kept of it, as it may be passed on: masked, or with its text but scrubbed."""

from __future__ import annotations

from collections.abc import Iterable

from addons.views.kept import Headers, KeptAttempt, KeptTurn, Part
from addons.views.masking import Json, Masker
from addons.views.reading import decoded
from addons.views.scrub import scrubbed, scrubbed_value
from addons.views.turn import Turn, request_view, turn_view, wire_view

LONGEST_REMARK = 200


def masked_turn(turn: Turn, masker: Masker) -> Json:
    """The structure of a turn."""
    kept = turn.kept
    return {
        "status": turn.status,
        "request": {"size": len(turn.request), "body": masker.body(turn.request)},
        "answer": {
            "headers": masker.headers(turn.told_headers),
            "size": len(turn.told or b""),
            "body": masker.body(turn.told),
        },
        "kept": _kept(kept, masker) if kept else None,
    }


def _kept(kept: KeptTurn, masker: Masker) -> Json:
    usage = kept.usage
    return {
        "slug": masker.value(kept.slug, "slug"),
        "route": masker.value(kept.route, "route"),
        "model": masker.value(kept.model, "model"),
        "thread": masker.value(kept.thread, "thread"),
        "dropped": [_remark(each) for each in kept.dropped],
        "attempts": [_attempt(each, masker) for each in kept.attempts],
        "terminal": masker.value(kept.terminal, "terminal"),
        "error": masker.value(kept.error, "code"),
        "ended": masker.value(kept.ended, "ended"),
        "usage": usage and usage.wire(),
        "ttft": kept.ttft,
        "seconds": kept.seconds,
    }


def _attempt(attempt: KeptAttempt, masker: Masker) -> Json:
    return {
        "url": masker.url(attempt.url),
        "reason": _remark(attempt.reason),
        "request": _part(attempt.request, masker),
        "answer": _part(attempt.answer, masker) if attempt.answer else None,
        "started": attempt.started,
        "first_byte": attempt.first_byte,
        "seconds": attempt.seconds,
        "outcome": _remark(attempt.outcome),
    }


def _part(part: Part, masker: Masker) -> Json:
    return {
        "method": masker.value(part.method.lower(), "method"),
        "status": masker.value(part.status, "status"),
        "headers": masker.headers(part.headers),
        "size": None if part.body is None else len(part.body),
        "cut": part.cut,
        "reads": [list(read) for read in part.reads],
        "body": masker.body(None if part.body is None else part.decoded),
    }


def _remark(text: str) -> str:
    """The shim's own words about a turn."""
    return scrubbed(text[:LONGEST_REMARK])


def readable_turn(turn: Turn, secrets: Iterable[str]) -> dict[str, bytes]:
    """The turn with its text, as pages and as bytes: what looks like a secret is replaced, nothing else is."""
    known = list(secrets)
    pages = {
        "request.txt": request_view(turn),
        "turn.txt": turn_view(turn),
        "wire.txt": wire_view(turn),
        "request.body": decoded(turn.request),
        "answer.body": decoded(turn.told or b""),
    }
    headers: Headers = turn.told_headers
    pages["answer.headers"] = str(scrubbed_value([list(pair) for pair in headers], known))
    return {name: scrubbed(text, known).encode() for name, text in pages.items()}
