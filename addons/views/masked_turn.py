"""A turn for a bug report: masked, or with its text and without recognizable secrets."""

from __future__ import annotations

from collections.abc import Iterable

from addons.core.json_values import JsonDict
from addons.views.json_input import decoded
from addons.views.masking import Masker
from addons.views.scrub import scrubbed, scrubbed_value
from addons.views.turn import Turn, request_view, turn_view, wire_view
from addons.views.turn_data import AttemptData, MessageData, TurnData

MAX_NOTE_LENGTH = 200


def masked_turn(turn: Turn, masker: Masker) -> JsonDict:
    """Return the structure of a turn without its content."""
    return {
        "status": turn.status,
        "request": {"size": len(turn.request), "body": masker.body(turn.request)},
        "answer": {
            "headers": masker.headers(turn.answer_headers),
            "size": len(turn.answer or b""),
            "body": masker.body(turn.answer),
        },
        "kept": _data(turn.data, masker) if turn.data else None,
    }


def _data(data: TurnData, masker: Masker) -> JsonDict:
    usage = data.usage
    return {
        "slug": masker.value(data.slug, "slug"),
        "route": masker.value(data.route, "route"),
        "model": masker.value(data.model, "model"),
        "thread": masker.value(data.thread, "thread"),
        "dropped": [_note(each) for each in data.dropped],
        "repairs": [_note(each) for each in data.repairs],
        "attempts": [_attempt(each, masker) for each in data.attempts],
        "terminal": masker.value(data.terminal, "terminal"),
        "error": masker.value(data.error, "code"),
        "ended": masker.value(data.ended, "ended"),
        "usage": usage and usage.to_response(),
        "ttft": data.ttft,
        "seconds": data.seconds,
        **({"hooks": [_note(each) for each in data.hooks]} if data.hooks else {}),
    }


def _attempt(attempt: AttemptData, masker: Masker) -> JsonDict:
    return {
        "url": masker.url(attempt.url),
        "reason": _note(attempt.reason),
        "request": _message(attempt.request, masker),
        "answer": _message(attempt.answer, masker) if attempt.answer else None,
        "started": attempt.started,
        "first_byte": attempt.first_byte,
        "seconds": attempt.seconds,
        "outcome": _note(attempt.outcome),
    }


def _message(message: MessageData, masker: Masker) -> JsonDict:
    return {
        "method": masker.value(message.method.lower(), "method"),
        "status": masker.value(message.status, "status"),
        "headers": masker.headers(message.headers),
        "size": None if message.body is None else len(message.body),
        "cut": message.cut,
        "reads": [list(read) for read in message.reads],
        "body": masker.body(None if message.body is None else message.decoded),
    }


def _note(text: str) -> str:
    """Return a note that the shim made about a turn, scrubbed and clipped."""
    return scrubbed(text[:MAX_NOTE_LENGTH])


def readable_turn(turn: Turn, secrets: Iterable[str]) -> dict[str, bytes]:
    """Return file name → content: the views and bodies of a turn. Only values that look like secrets are replaced."""
    known = list(secrets)
    pages = {
        "request.txt": request_view(turn),
        "turn.txt": turn_view(turn),
        "wire.txt": wire_view(turn),
        "request.body": decoded(turn.request),
        "answer.body": decoded(turn.answer or b""),
    }
    headers = [list(pair) for pair in turn.answer_headers]
    pages["answer.headers"] = str(scrubbed_value(headers, known))
    return {name: scrubbed(text, known).encode() for name, text in pages.items()}
