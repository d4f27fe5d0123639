"""The views of a turn: Codex's request, the request and response of each attempt, and the response to Codex.

Never does: read a flow or a file. Invariant: total; any bytes and any metadata give a text of bounded length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from addons.views.answers import write_answer
from addons.views.json_input import usage_text
from addons.views.page import Page, clipped, one_line
from addons.views.quota import write_quota
from addons.views.requests import write_digest, write_request
from addons.views.turn_data import AttemptData, Headers, MessageData, TurnData

RULE = "═" * 20
SHOWN_HEADERS = 60
NO_BODY = "(no body was recorded: the option codex_shim_capture was off)"
NO_RECORD = "(this flow has no record of a turn)"
NO_ATTEMPT = "(no upstream was asked: codex-shim itself answered)"
NOTHING_SENT = "(nothing was sent yet)"
NO_ANSWER = "(no body yet, or it was not stored: the option store_streamed_bodies was off)"


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn. `answer` is the body of the client's response, None before there is one."""

    request: bytes
    answer: bytes | None = None
    answer_headers: Headers = ()
    status: int = 0
    data: TurnData | None = None


def request_view(turn: Turn) -> str:
    """Return the client's request in full, and the changes made to it."""
    return _render(_write_request_view, turn)


def turn_view(turn: Turn) -> str:
    """Return all stages of the turn in short form."""
    return _render(_write_turn_view, turn)


def wire_view(turn: Turn) -> str:
    """Return the requests and responses of all attempts in full."""
    return _render(_write_wire_view, turn)


def summary(turn: Turn) -> str:
    """Return `slug → route model · 200 · response.completed · TTFT 0.8 s · 3.2 s · in 18,200 · out 640`."""
    data = turn.data
    parts = [str(turn.status) if turn.status else ""]
    if data:
        route = " ".join(filter(None, (data.route, data.model)))
        parts = [
            " → ".join(filter(None, (data.slug, route))),
            *parts,
            data.terminal,
            data.error,
            data.ended,
            f"TTFT {data.ttft:.1f} s" if data.ttft is not None else "",
            f"{data.seconds:.1f} s" if data.seconds is not None else "",
            usage_text(data.usage) if data.usage else "",
        ]
    return one_line(" · ".join(filter(None, parts)), 400)


def _render(write: Callable[[Page, Turn], None], turn: Turn) -> str:
    page = Page()
    try:
        write(page, turn)
    except RecursionError:
        page.line("(nested too deeply to be shown: see the raw view)")
    return page.text()


def _write_request_view(page: Page, turn: Turn) -> None:
    if turn.data:
        page.line(summary(turn))
        _write_changes(page, turn.data)
        page.line()
    write_request(page, turn.request)


def _write_turn_view(page: Page, turn: Turn) -> None:
    page.line(summary(turn) or NO_RECORD)
    page.title(f"{RULE} 1 · REQUEST FROM CODEX {RULE}")
    write_digest(page, turn.request)
    attempts = turn.data.attempts if turn.data else ()
    for number, attempt in enumerate(attempts, 1):
        _write_attempt(page, turn, attempt, number, write_digest)
    if turn.data:
        _write_changes(page, turn.data)
    _write_response(page, turn)
    if not attempts:
        write_quota(page, turn.answer_headers)


def _write_wire_view(page: Page, turn: Turn) -> None:
    page.line(summary(turn) or NO_RECORD)
    attempts = turn.data.attempts if turn.data else ()
    for number, attempt in enumerate(attempts, 1):
        _write_attempt(page, turn, attempt, number, write_request)
    if not attempts:
        page.line(NO_ATTEMPT if turn.status else NOTHING_SENT)
        page.title(f"{RULE} 1 · REQUEST FROM CODEX {RULE}")
        write_request(page, turn.request)
        _write_response(page, turn)


def _write_response(page: Page, turn: Turn) -> None:
    page.title(f"{RULE} 4 · RESPONSE TO CODEX {RULE}")
    if turn.answer is None:
        page.line(NO_ANSWER)
    else:
        write_answer(page, turn.answer)


def _write_attempt(
    page: Page, turn: Turn, attempt: AttemptData, number: int, write: Callable[[Page, bytes], None]
) -> None:
    reason = f", {attempt.reason}" if attempt.reason else ""
    page.title(f"{RULE} 2 · ATTEMPT {number}{reason}: REQUEST {RULE}")
    page.line(f"{attempt.request.method} {one_line(attempt.url, 400)}")
    _write_headers(page, attempt.request.headers)
    if attempt.request.body == turn.request:
        page.line("(the body is the request from Codex, byte for byte)")
    else:
        _write_body(page, attempt.request, write)
    page.title(f"{RULE} 3 · ATTEMPT {number}: RESPONSE {RULE}")
    page.line(" · ".join(_times(attempt)))
    if answer := attempt.answer:
        _write_headers(page, answer.headers)
        write_quota(page, answer.headers)
        if answer.body is not None and answer.body == turn.answer:
            page.line("(the body is the response to Codex, byte for byte: see below)")
        else:
            _write_body(page, answer, _timed_answer(answer))


def _times(attempt: AttemptData) -> list[str]:
    status = attempt.answer.status if attempt.answer else 0
    times = [str(status) if status else "no answer"]
    if attempt.first_byte is not None:
        times.append(f"first byte after {attempt.first_byte:.2f} s")
    if attempt.seconds is not None:
        times.append(f"{attempt.seconds:.2f} s in total")
    return times if attempt.outcome in {"", str(status)} else [*times, attempt.outcome]


def _write_body(page: Page, message: MessageData, write: Callable[[Page, bytes], None]) -> None:
    if message.body is None:
        page.line(NO_BODY)
        return
    page.line()
    write(page, message.decoded)
    if message.cut:
        page.line("(cut here: only the beginning of the body was recorded)")


def _timed_answer(answer: MessageData) -> Callable[[Page, bytes], None]:
    # The arrival times count encoded bytes.
    reads = answer.reads if answer.decoded == answer.body else ()
    return lambda page, body: write_answer(page, body, reads)


def _write_headers(page: Page, headers: Headers) -> None:
    for name, value in headers[:SHOWN_HEADERS]:
        page.line(f"{one_line(name, 80)}: {clipped(one_line(value, 300), 300)}", 1)


def _write_changes(page: Page, data: TurnData) -> None:
    changes = []
    if data.model and data.slug and data.model != data.slug:
        changes.append(f"model: {data.slug} → {data.model}")
    changes += [f"changed by a hook: {one_line(note)}" for note in data.hooks]
    changes += [f"dropped: {one_line(note)}" for note in data.dropped]
    changes += [f"repaired after a refusal: {one_line(note)}" for note in data.repairs]
    if changes:
        page.title("CHANGES TO THE REQUEST")
        for change in changes:
            page.line(change, 1)
