"""Every end of a WebSocket to ChatGPT at every moment: one terminal event, nothing cut is whole, nothing is paid twice.

One shim serves a whole table; each row has a connection of its own, whose next turn gets a whole answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from addons.core.providers import chatgpt_socket
from tests.fakes.socket_backend import Answer, Frame, SocketBackend, accepts, says_hi
from tests.faults.backend_faults import (
    ENDS,
    MAX_EVENT_BYTES,
    SILENCE,
    TEXTS,
    UNAUTHORIZED,
    UPGRADES,
    End,
    Moment,
    answers_until,
)
from tests.faults.oracle import Seen
from tests.faults.outcomes import Expected
from tests.faults.routes import WITH_UPSTREAM
from tests.faults.shim import CODEX, RunningShim, running_shim
from tests.faults.websocket import answer
from tests.support.waiting import until
from tests.support.websocket import Socket, create, websocket

CHATGPT = WITH_UPSTREAM[0]
HI = ["response.created", "response.output_text.delta", "response.completed"]


@asynccontextmanager
async def backend_of(
    folder: Path, **limits: float
) -> AsyncIterator[tuple[RunningShim, SocketBackend]]:
    """A shim whose ChatGPT speaks WebSocket."""
    backend = SocketBackend(path=b"/codex/responses", login={})
    wanted = {"event_bytes": MAX_EVENT_BYTES, "heartbeat_seconds": 15.0, **limits}
    async with running_shim(CHATGPT, folder, limits=wanted) as shim:
        shim.up.next_script = lambda: backend.serve  # type: ignore[method-assign]
        yield shim, backend


async def ask(socket: Socket) -> tuple[Seen, list[str]]:
    """Send one turn. Return what Codex makes of it, and the types of its events."""
    await socket.send(create(model=CHATGPT.slug, store=False, input=["hi"]))
    seen, events = await answer(socket)
    return seen, [str(each["type"]) for each in events]


async def check(
    shim: RunningShim, backend: SocketBackend, act: Answer, expected: Expected, paid: list[str]
) -> None:
    """Assert the outcome of one turn, and that the next one on its connection is whole and has nothing of it."""
    backend.answers[:] = [act, says_hi] if paid[:1] == ["frame"] else [says_hi]
    backend.paid.clear()
    async with websocket(shim.port, CODEX) as socket:
        seen, _ = await ask(socket)
        # the text of the answers of this backend is another one
        assert [each for each in expected.differs(seen) if not each.startswith("text")] == []
        assert backend.paid == paid
        _, events = await ask(socket)
        assert events in (HI, HI[2:])
        assert len(backend.paid) == len(paid) + 1
    await until(lambda: not shim.master.shim.engine.live_turns)


def at(moment: Moment, end: End) -> Answer:
    async def act(frame: Frame) -> None:
        await answers_until(moment, frame)
        await end.act(frame)

    return act


@pytest.mark.parametrize("moment", Moment, ids=str)
async def test_end_of_a_websocket_at_each_moment(
    folder: Path, moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a backend that cannot read frames is asked for another WebSocket by the next row
    monkeypatch.setattr(chatgpt_socket, "REFUSED_SECONDS", 0.0)
    async with backend_of(folder) as (shim, backend):
        for end in ENDS:
            paid = ["frame", "post"] if end.is_sent_again(moment) else ["frame"]
            await check(shim, backend, at(moment, end), end.outcome(moment), paid)


async def test_silence_of_a_websocket(folder: Path) -> None:
    async with backend_of(folder, stall_seconds=0.4) as (shim, backend):
        for moment in Moment:
            await check(shim, backend, at(moment, SILENCE), SILENCE.outcome(moment), ["frame"])


async def test_texts_that_are_none_of_the_answer(folder: Path) -> None:
    async with backend_of(folder) as (shim, backend):
        for text in TEXTS:
            await check(shim, backend, text.act, text.outcome, ["frame"])


async def test_upgrade_that_leads_to_no_websocket(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chatgpt_socket, "REFUSED_SECONDS", 0.0)
    whole = Expected(200, "response.completed")
    async with backend_of(folder) as (shim, backend):
        for upgrade in UPGRADES.values():
            backend.upgrade = upgrade
            await check(shim, backend, says_hi, whole, ["post"])
        backend.upgrade = UNAUTHORIZED
        async with websocket(shim.port, CODEX) as socket:
            assert (await ask(socket))[0].status == 401
            backend.upgrade = accepts
            assert (await ask(socket))[1] == HI
