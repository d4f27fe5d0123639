"""The views of a turn: what Codex asked, what each upstream was sent, what it answered, what Codex was told.

Invariant: total. Any bytes and any metadata give some text, of bounded length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from addons.views.answers import write_answer
from addons.views.kept import Headers, KeptAttempt, KeptTurn, Part
from addons.views.page import Page, clipped, one_line
from addons.views.quota import write_quota
from addons.views.reading import usage_text
from addons.views.requests import write_digest, write_request

RULE = "═" * 20
SHOWN_HEADERS = 60
NOT_KEPT = "(no body was kept: the option codex_shim_capture was off)"


@dataclass(frozen=True, slots=True)
class Turn:
    """All that is known of one turn. `told` is None while the client has no answer."""

    request: bytes
    told: bytes | None = None
    told_headers: Headers = ()
    status: int = 0
    kept: KeptTurn | None = None


def request_view(turn: Turn) -> str:
    """The client's request at length, and what became of it on the way to the upstream."""
    return _written(_write_request_view, turn)


def turn_view(turn: Turn) -> str:
    """All four stages of the turn."""
    return _written(_write_turn_view, turn)


def wire_view(turn: Turn) -> str:
    """What each upstream was sent and what it answered, at length."""
    return _written(_write_wire_view, turn)


def summary(turn: Turn) -> str:
    """`slug → route model · 200 · response.completed · TTFT 0.8 s · 3.2 s · in 18,200 · out 640`."""
    kept = turn.kept
    parts = [str(turn.status) if turn.status else ""]
    if kept:
        goes_to = " ".join(filter(None, (kept.route, kept.model)))
        parts = [
            " → ".join(filter(None, (kept.slug, goes_to))),
            *parts,
            kept.terminal,
            kept.error,
            kept.ended,
            f"TTFT {kept.ttft:.1f} s" if kept.ttft is not None else "",
            f"{kept.seconds:.1f} s" if kept.seconds is not None else "",
            usage_text(kept.usage) if kept.usage else "",
        ]
    return one_line(" · ".join(filter(None, parts)), 400)


def _written(write: Callable[[Page, Turn], None], turn: Turn) -> str:
    page = Page()
    try:
        write(page, turn)
    except RecursionError:
        page.line("(nested too deeply to be shown: see the raw view)")
    return page.text()


def _write_request_view(page: Page, turn: Turn) -> None:
    if turn.kept:
        page.line(summary(turn))
        _write_changes(page, turn.kept)
        page.line()
    write_request(page, turn.request)


def _write_turn_view(page: Page, turn: Turn) -> None:
    page.line(summary(turn) or "no turn was kept with this flow")
    page.title(f"{RULE} 1 · CODEX ASKED {RULE}")
    write_digest(page, turn.request)
    kept = turn.kept
    attempts = kept.attempts if kept else ()
    for number, attempt in enumerate(attempts, 1):
        _write_attempt(page, turn, attempt, number, write_digest)
    if kept:
        _write_changes(page, kept)
    page.title(f"{RULE} 4 · CODEX WAS TOLD {RULE}")
    if turn.told is None:
        page.line(
            "(nothing yet, or its body was not kept: the option store_streamed_bodies was off)"
        )
    else:
        write_answer(page, turn.told)
    if not attempts:
        write_quota(page, turn.told_headers)


def _write_wire_view(page: Page, turn: Turn) -> None:
    page.line(summary(turn) or "no turn was kept with this flow")
    for number, attempt in enumerate(turn.kept.attempts if turn.kept else (), 1):
        _write_attempt(page, turn, attempt, number, write_request)


def _write_attempt(
    page: Page, turn: Turn, attempt: KeptAttempt, number: int, write: Callable[[Page, bytes], None]
) -> None:
    reason = f", {attempt.reason}" if attempt.reason else ""
    page.title(f"{RULE} 2 · ATTEMPT {number}{reason}: SENT {RULE}")
    page.line(f"{attempt.request.method} {one_line(attempt.url, 400)}")
    _write_headers(page, attempt.request.headers)
    if attempt.request.body == turn.request:
        page.line("(the body is what Codex sent, byte for byte)")
    else:
        _write_body(page, attempt.request, write)
    page.title(f"{RULE} 3 · ATTEMPT {number}: ANSWERED {RULE}")
    page.line(" · ".join(_times(attempt)))
    if answer := attempt.answer:
        _write_headers(page, answer.headers)
        write_quota(page, answer.headers)
        if answer.body is not None and answer.body == turn.told:
            page.line("(the body is what Codex was told, byte for byte: see below)")
        else:
            _write_body(page, answer, _timed_answer(answer))


def _times(attempt: KeptAttempt) -> list[str]:
    status = attempt.answer.status if attempt.answer else 0
    times = [str(status) if status else "no answer"]
    if attempt.first_byte is not None:
        times.append(f"first byte after {attempt.first_byte:.2f} s")
    if attempt.seconds is not None:
        times.append(f"{attempt.seconds:.2f} s in all")
    return [*times, attempt.outcome] if attempt.outcome else times


def _write_body(page: Page, part: Part, write: Callable[[Page, bytes], None]) -> None:
    if part.body is None:
        page.line(NOT_KEPT)
        return
    page.line()
    write(page, part.decoded)
    if part.cut:
        page.line("(cut here: only the beginning of the body was kept)")


def _timed_answer(answer: Part) -> Callable[[Page, bytes], None]:
    # of bytes that were encoded nobody knows which came when
    reads = answer.reads if answer.decoded == answer.body else ()
    return lambda page, body: write_answer(page, body, reads)


def _write_headers(page: Page, headers: Headers) -> None:
    for name, value in headers[:SHOWN_HEADERS]:
        page.line(f"{one_line(name, 80)}: {clipped(one_line(value, 300), 300)}", 1)


def _write_changes(page: Page, kept: KeptTurn) -> None:
    changes = []
    if kept.model and kept.slug and kept.model != kept.slug:
        changes.append(f"model: {kept.slug} → {kept.model}")
    changes += [f"dropped: {one_line(each)}" for each in kept.dropped]
    if changes:
        page.title("CHANGED ON THE WAY")
        for change in changes:
            page.line(change, 1)
