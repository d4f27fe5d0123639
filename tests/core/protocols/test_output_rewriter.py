"""A translator around another one rewrites all output, and passes on what the other one says of itself."""

from __future__ import annotations

from addons.core.limits import MIB
from addons.core.protocols.output_rewriter import OutputRewriter
from addons.core.protocols.responses.observer import StreamObserver
from addons.core.turn import Fault, FaultKind, StreamSummary, Translator

DONE = b'data: {"type":"response.completed","response":{"id":"r"}}\n\n'


class Capitals(OutputRewriter):
    def rewrite(self, output: bytes) -> bytes:
        return output.upper()

    def _closed(self, output: bytes) -> bytes:
        return b"LAST " + output.upper()


class Plain:
    """The least that a translator has."""

    terminal = False

    def feed(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b"end"

    def fail(self, fault: Fault) -> bytes:
        return str(fault.kind).encode()


def test_all_output_is_rewritten_and_the_last_one_in_a_way_of_its_own() -> None:
    outer = Capitals(Plain())
    assert outer.feed(b"abc") == b"ABC"
    assert outer.finish() == b"LAST END"
    assert outer.fail(Fault(FaultKind.CUT, "")) == b"LAST CUT"


def test_what_the_inner_translator_says_is_passed_on() -> None:
    least: Translator = Plain()
    outer = Capitals(least)
    assert (outer.keeps_bytes, outer.awaits_end, outer.terminal) == (False, False, False)
    assert outer.summarize() == StreamSummary()
    outer = Capitals(StreamObserver(MIB))
    assert outer.keeps_bytes
    outer.feed(DONE)
    assert outer.terminal
    assert outer.summarize().terminal == "response.completed"
