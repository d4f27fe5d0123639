"""Events pass through hooks of the program in the same call."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from addons.core.errors import Problem
from addons.core.hooks.chain import HookError
from addons.core.hooks.events import Piece
from addons.core.hooks.inline import HookedTranslator, OnPieces
from addons.core.hooks.values import Event
from addons.core.limits import MIB
from addons.core.protocols.responses.observer import StreamObserver
from addons.core.turn import Fault, FaultKind

CREATED = b'data: {"type":"response.created","response":{"id":"r7"}}\n\n'
DELTA = b'data: {"type":"response.output_text.delta","delta":"a"}\n\n'
DONE = b'data: {"type":"response.completed","response":{"id":"r7"}}\n\n'
CUT = Fault(FaultKind.CUT, "cut")


def upper(pieces: Sequence[Piece]) -> Sequence[Piece]:
    return [one.map_text(str.upper) if isinstance(one, Event) else one for one in pieces]


def refuse_delta(pieces: Sequence[Piece]) -> Sequence[Piece]:
    if any(isinstance(one, Event) and "delta" in one.data for one in pieces):
        raise HookError(Problem(403, "invalid_prompt", "no"))
    return pieces


def hooked(on_pieces: OnPieces = upper, event_bytes: int = MIB) -> HookedTranslator:
    return HookedTranslator(StreamObserver(MIB), on_pieces, event_bytes)


def types(data: bytes) -> list[str]:
    lines = [line for line in data.split(b"\n") if line.startswith(b"data:")]
    return [orjson.loads(line[5:])["type"] for line in lines]


def test_events_are_changed_at_any_split() -> None:
    stream = CREATED + DELTA + DONE
    whole = hooked().feed(stream)
    assert b'"delta":"A"' in whole
    for at in range(len(stream)):
        translator = hooked()
        assert translator.feed(stream[:at]) + translator.feed(stream[at:]) == whole
        assert translator.terminal
        assert translator.finish() == translator.fail(CUT) == b""


def test_refusal_is_the_one_terminal_event() -> None:
    translator = hooked(refuse_delta)
    out = translator.feed(CREATED + DELTA + DONE)
    assert types(out) == ["response.created", "response.failed"]
    assert b'"id":"r7"' in out.split(b"response.failed")[-1]
    assert (translator.terminal, translator.refused) == (True, True)
    assert translator.feed(DELTA) + translator.finish() + translator.fail(CUT) == b""
    assert translator.summarize()[:2] == ("response.failed", "invalid_prompt")


def test_fault_ends_the_stream_once_wherever_it_is_cut() -> None:
    stream = CREATED + DELTA + DONE
    for at in range(len(stream)):
        translator = hooked()
        out = translator.feed(stream[:at]) + translator.fail(CUT)
        kinds = [kind for kind in types(out) if kind in ("response.failed", "response.completed")]
        assert len(kinds) == 1, at
        assert types(out)[-1:] == kinds
        assert translator.terminal


def test_event_that_is_too_large_to_be_seen_ends_the_answer() -> None:
    translator = hooked(event_bytes=100)
    out = translator.feed(CREATED + DELTA.replace(b'"a"', b'"%s"' % (b"a" * 200)) + DONE)
    assert types(out) == ["response.failed"]
    assert b"cannot be shown to the hooks" in out
    assert b"aaa" not in out


def test_facts_about_the_inner_translator_are_passed_on() -> None:
    translator = hooked()
    assert translator.keeps_bytes
    assert not translator.awaits_end
    translator.feed(CREATED + DONE)
    assert translator.summarize().terminal == "response.completed"
