"""Events wait for the hooks of a turn, and reach the client in order, with one end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import orjson
import pytest

from addons.adapters.hooks import stage
from addons.adapters.hooks.stage import StagedTranslator
from addons.core.errors import Problem
from addons.core.hooks.events import Piece
from addons.core.hooks.values import Event
from addons.core.limits import MIB
from addons.core.protocols.responses.observer import StreamObserver
from addons.core.turn import Fault, FaultKind

CREATED = b'data: {"type":"response.created","response":{"id":"r7"}}\n\n'
DELTA = b'data: {"type":"response.output_text.delta","delta":"a"}\n\n'
DONE = b'data: {"type":"response.completed","response":{"id":"r7"}}\n\n'
CUT = Fault(FaultKind.CUT, "cut")
NO = Problem(403, "invalid_prompt", "no")


class Client:
    """Gets what the stage writes."""

    def __init__(self, staged: StagedTranslator) -> None:
        self.staged = staged
        self.data = b""

    async def write(self, data: bytes) -> None:
        self.data += data
        self.staged.note_sent(len(data))

    @property
    def types(self) -> list[str]:
        lines = [line for line in self.data.split(b"\n") if line.startswith(b"data:")]
        return [orjson.loads(line[5:])["type"] for line in lines]


async def same(pieces: Sequence[Piece], passed: list[Piece]) -> Problem | None:
    passed += pieces
    return None


async def refuse_delta(pieces: Sequence[Piece], passed: list[Piece]) -> Problem | None:
    for one in pieces:
        if isinstance(one, Event) and "delta" in one.data:
            return NO
        passed.append(one)
    return None


def staged(on_pieces: stage.OnPieces = same, event_bytes: int = MIB) -> StagedTranslator:
    return StagedTranslator(StreamObserver(MIB), on_pieces, event_bytes)


async def run(translator: StagedTranslator, *parts: bytes, fault: Fault | None = None) -> Client:
    client = Client(translator)
    task = asyncio.ensure_future(translator.run(client))
    for part in parts:
        assert translator.feed(part) == b""
        await asyncio.sleep(0)
    translator.close(fault)
    await task
    return client


async def test_unchanged_answer_is_the_bytes_that_came_at_any_split() -> None:
    stream = CREATED + b": comment\n\n" + DELTA + DONE
    for at in range(len(stream)):
        translator = staged()
        client = await run(translator, stream[:at], stream[at:])
        assert client.data == stream
        assert translator.terminal
        assert translator.finish() == translator.fail(CUT) == b""


async def test_answer_that_breaks_off_has_one_end_wherever_it_is_cut() -> None:
    stream = CREATED + DELTA + DONE
    for at in range(len(stream)):
        client = await run(staged(), stream[:at], fault=CUT)
        ends = [kind for kind in client.types if kind in ("response.completed", "response.failed")]
        assert len(ends) == 1, at
        assert client.types[-1:] == ends


async def test_refusal_ends_the_answer_behind_what_has_passed() -> None:
    translator = staged(refuse_delta)
    client = await run(translator, CREATED + DELTA + DONE, DELTA)
    assert client.types == ["response.created", "response.failed"]
    assert b'"id":"r7"' in client.data.split(b"response.failed")[-1]
    assert translator.refused
    assert translator.summarize()[:2] == ("response.failed", "invalid_prompt")


async def test_fault_of_this_process_ends_the_answer_at_once() -> None:
    translator = staged()
    translator.feed(CREATED + DONE)
    assert translator.is_inner_terminal
    assert not translator.terminal
    closing = translator.fail(Fault(FaultKind.KILLED, "by hand"))
    assert closing.count(b"event: response.failed") == 1
    assert translator.terminal
    assert translator.summarize().terminal == "response.failed"


async def test_terminal_event_counts_once_it_was_sent() -> None:
    translator = staged()
    client = await run(translator, CREATED + DONE)
    assert translator.terminal
    translator = staged()
    translator.feed(CREATED + DONE)
    client = Client(translator)
    client.staged = staged()
    await translator.run(client)
    assert client.types == ["response.created", "response.completed"]
    assert not translator.terminal


async def test_limits_end_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    client = await run(staged(event_bytes=70), CREATED + DELTA.replace(b"a", b"a" * 99) + DONE)
    assert client.types[-1:] == ["response.failed"]
    assert b"cannot be shown to the hooks" in client.data
    monkeypatch.setattr(stage, "MAX_WAITING_BYTES", 100)
    translator = staged()
    translator.feed(CREATED + DELTA + DELTA)
    client = await run(translator)
    assert client.types == ["response.failed"]
    assert b"slower than the answer" in client.data
