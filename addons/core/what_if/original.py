"""The turn that is compared: its request without what names its run, and its answer if that was recorded.

Never does: hold a credential of a request. Invariant: what has the form of a key is not in the body; `parse` is total
and reads what `plain` returns.
"""

from __future__ import annotations

from dataclasses import dataclass

from addons.core.cassette.format import CUT as RECORDED_CUT
from addons.core.cassette.format import RecordedTurn, texts_of
from addons.core.cassette.keys import without_keys
from addons.core.errors import Problem
from addons.core.headers import REDACTION_LABEL, Headers, canonical, header, media_type
from addons.core.json_values import JsonDict, as_object, as_str, loads_exactly
from addons.core.limits import MIB
from addons.core.protocols.request_body import decode
from addons.core.turn import shim_path
from addons.core.what_if.answer import COMPLETED, CUT, FAILED, Answer, seconds_of, usage_of
from addons.core.what_if.reading import StreamReading, loaded, read_whole

TURN_PATH = "/responses"
MAX_BODY_BYTES = 64 * MIB
KEPT_HEADERS = frozenset(
    {
        b"openai-beta",
        b"originator",
        b"user-agent",
        b"version",
        b"x-codex-beta-features",
        b"x-openai-internal-codex-responses-lite",
    }
)
"""What says which client wrote the request, and in which form. The others name its thread, its turn or its connection."""


class NotComparableError(Exception):
    """A recorded request cannot be asked again. The text is for the user."""


@dataclass(frozen=True, slots=True)
class Original:
    """One turn."""

    id: str
    slug: str
    headers: Headers
    body: bytes
    """Decoded JSON, without keys."""
    answer: Answer | None = None
    """None if nothing of it was recorded."""

    def plain(self) -> JsonDict:
        """Return the turn as JSON values."""
        return {
            "id": self.id,
            "slug": self.slug,
            "headers": [[name.decode("latin-1"), one.decode("latin-1")] for name, one in self.headers],
            "body": self.body.decode("utf-8", "replace"),
            "answer": self.answer.plain() if self.answer else None,
        }  # fmt: skip

    @classmethod
    def parse(cls, value: object) -> Original:
        """Read a turn from JSON values."""
        fields = as_object(value)
        listed, answer = fields.get("headers"), fields.get("answer")
        pairs = [one for one in listed if isinstance(one, list) and len(one) == 2] if isinstance(listed, list) else []  # noqa: PLR2004  # fmt: skip
        return cls(
            as_str(fields.get("id")),
            as_str(fields.get("slug")),
            tuple((as_str(name).encode("latin-1", "replace"), as_str(one).encode("latin-1", "replace")) for name, one in pairs),
            as_str(fields.get("body")).encode("utf-8", "replace"),
            Answer.parse(answer) if isinstance(answer, dict) else None,
        )  # fmt: skip


def original_of(
    turn_id: str, path: str, headers: Headers, body: bytes, answer: Answer | None
) -> Original:
    """Return the turn that a request is. Raises NotComparableError."""
    if shim_path(path) != TURN_PATH:
        msg = f"turn {turn_id} is a request to {shim_path(path)}, and only turns of {TURN_PATH} can be compared"
        raise NotComparableError(msg)
    decoded = decode(body, header(headers, b"content-encoding"), MAX_BODY_BYTES)
    if isinstance(decoded, Problem):
        msg = f"the request of turn {turn_id} cannot be read: {decoded.message}"
        raise NotComparableError(msg)
    try:
        slug = as_str(as_object(loads_exactly(decoded)).get("model"))
    except ValueError:
        slug = ""
    if not slug:
        msg = f"the request of turn {turn_id} is no JSON object with a model"
        raise NotComparableError(msg)
    kept = tuple(
        (name, one)
        for name, one in headers
        if canonical(name) in KEPT_HEADERS and one != REDACTION_LABEL
    )
    return Original(turn_id, slug, kept, without_keys(decoded), answer)


def of_cassette(turn_id: str, turn: RecordedTurn) -> Original:
    """Return the turn of a cassette. Raises NotComparableError."""
    request, recorded = turn.request, turn.answer
    answer = Answer(request.slug)
    if recorded.parts:
        answer.seconds = recorded.parts[-1][0]
    answer_headers = _encoded(recorded.headers)
    if media_type(answer_headers) == b"text/event-stream":
        reading = StreamReading(answer)
        for seconds, text in recorded.parts:
            reading.feed(text.encode(), seconds)
        reading.finish()
    else:
        read_whole(answer, recorded.status, texts_of(recorded.parts).encode())
    if recorded.ended == RECORDED_CUT and answer.outcome == COMPLETED:
        answer.outcome = CUT
    headers = tuple(
        one for one in _encoded(request.headers) if canonical(one[0]) != b"content-encoding"
    )
    return original_of(turn_id, request.path, headers, request.body.encode(), answer)


def recorded_answer(
    slug: str, status: int, answer_headers: Headers, body: bytes | None, record: object
) -> Answer | None:
    """Return the answer of a finished flow, from its body and the record of the turn. None if there was no answer.

    `body` is decoded, None where it was not kept.
    """
    fields = as_object(record)
    if not status and not fields:
        return None
    answer = Answer(slug)
    if body is None:
        answer.has_text = False
        _end_by_record(answer, status, as_str(fields.get("terminal")), as_str(fields.get("error")))
    elif media_type(answer_headers) == b"text/event-stream":
        reading = StreamReading(answer)
        reading.feed(body)
        reading.finish()
    else:
        read_whole(answer, status, body)
    answer.usage = answer.usage or usage_of(fields.get("usage"))
    answer.first_seconds = seconds_of(fields.get("ttft"))
    answer.seconds = seconds_of(fields.get("seconds"))
    answer.provider, answer.model = as_str(fields.get("route")), as_str(fields.get("model"))
    return answer


def _end_by_record(answer: Answer, status: int, terminal: str, error: str) -> None:
    if terminal == "response.completed":
        answer.outcome = COMPLETED
    elif error or status != 200:  # noqa: PLR2004
        answer.fail(FAILED, error or f"status {status}", "")
    else:
        answer.outcome = CUT


def _encoded(pairs: tuple[tuple[str, str], ...]) -> Headers:
    return tuple(
        (name.encode("latin-1", "replace"), one.encode("latin-1", "replace")) for name, one in pairs
    )


def last_message(body: bytes) -> str:
    """Return the last message of the user in a request, or the last output of a tool; empty if there is none."""
    items = loaded(body).get("input")
    if isinstance(items, str):
        return items
    for item in map(as_object, reversed(items) if isinstance(items, list) else ()):
        kind = as_str(item.get("type")) or "message"
        if kind == "message" and item.get("role") == "user":
            return _text(item.get("content"))
        if kind.endswith("_call_output"):
            return _text(item.get("output"))
    return ""


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = map(as_object, content if isinstance(content, list) else ())
    return "\n".join(filter(None, (as_str(part.get("text")) for part in parts)))
