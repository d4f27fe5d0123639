"""The checks of the soak test, and a short run. The long run: `uv run python -m benchmarks.soak`."""

from __future__ import annotations

import asyncio
import os
import re
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import h2.events
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection

from benchmarks.soak.__main__ import Soak, growth, soak, verdict
from benchmarks.soak.__main__ import judge as judge_seen
from benchmarks.soak.clients import WINDOW, Kept, clients_of
from benchmarks.soak.turns import FAULTS, Turn, turn_of
from tests.faults.oracle import Seen
from tests.faults.routes import ROUTES
from tests.support.certificates import make_authority
from tests.support.waiting import settle, until

SEED, TURNS = 269, 100
"""In so few turns this seed has every route and every fault but `stall`, which takes `stall_seconds`."""
MUTE = 1
"""The first stream of a client."""


def test_equal_seeds_give_equal_turns_with_different_contents() -> None:
    turns = [turn_of(number, SEED) for number in range(1000)]
    assert turns == [turn_of(number, SEED) for number in range(1000)]
    # The demo always has the same answer.
    with_content = [turn for turn in turns if turn.route.name != "demo"]
    assert len({turn.digest for turn in with_content}) == len(with_content)
    assert {turn.route.name for turn in turns} == {route.name for route in ROUTES}
    assert {turn.fault for turn in turns} == set(FAULTS)


def test_every_wrong_answer_is_detected() -> None:
    whole = next(t for n in range(99) if (t := turn_of(n, SEED)).fault == "none")
    cut = next(t for n in range(999) if (t := turn_of(n, SEED)).fault == "cut")
    text, done = "".join(whole.parts), "response.completed"

    def judge(turn: Turn, terminal: str, status: int, text: str) -> str:
        return judge_seen(turn, Seen(status, terminal, text=text), 0.0)

    assert judge(whole, done, 200, text) == ""
    assert "another content" in judge(whole, done, 200, text + text)
    assert "another content" in judge(whole, done, 200, "".join(cut.parts))
    assert "not whole" in judge(whole, "response.failed", 200, text)
    assert "incomplete" in judge(cut, done, 200, "".join(cut.parts))
    assert "no terminal" in judge(cut, "", 200, "")
    assert judge(cut, "response.failed", 200, "") == ""


def test_missing_retry_is_wrong_unless_the_upstream_answered_late() -> None:
    flaky = [t for n in range(999) if (t := turn_of(n, SEED)).fault == "flaky"]
    row = next(t for t in flaky if t.route.row)
    account = next(t for t in flaky if not t.route.row)
    refused = Seen(500)
    assert "not retried" in judge_seen(row, refused, 0.9)
    assert judge_seen(row, refused, 1.1) == ""
    assert "not retried" in judge_seen(row, Seen(200, "response.failed"), 0.9)
    assert "not retried" in judge_seen(row, Seen(200, "response.failed"), 1.1)
    assert judge_seen(account, refused, 0.1) == ""


def test_missing_retry_is_right_only_while_enough_others_of_the_route_retry() -> None:
    row = next(t for n in range(999) if (t := turn_of(n, SEED)).fault == "flaky" and t.route.row)
    assert "not retried" in judge_seen(row, Seen(500), 0.1, rivals=2)
    assert judge_seen(row, Seen(500), 0.1, rivals=3) == ""
    assert "not retried" in judge_seen(row, Seen(200, "response.failed"), 0.1, rivals=3)


def test_memory_growth_is_measured_after_the_warm_up() -> None:
    assert growth([(n, 50.0 if n < 5 else 90.0) for n in range(20)]) == 0
    assert growth([(n, 50.0 + n) for n in range(20)]) > 5


class Peer(asyncio.Protocol):
    """An HTTP/2 server in place of the shim. It answers with more than a window, and not at all on stream 1."""

    def __init__(self, ends: list[int], resets: list[int], says_goodbye: int) -> None:
        self._h2 = H2Connection(H2Configuration(client_side=False))
        self._unsent: dict[int, int] = {}
        self._ends, self._resets, self._goodbye = ends, resets, says_goodbye

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._h2.initiate_connection()

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            if isinstance(event, h2.events.StreamReset):
                self._resets.append(event.stream_id)
            elif isinstance(event, h2.events.RequestReceived) and event.stream_id != MUTE:
                self._h2.send_headers(event.stream_id, [(":status", "200")])
                self._unsent[event.stream_id] = 4 * WINDOW
            elif isinstance(event, h2.events.RequestReceived) and self._goodbye:
                self._h2.close_connection(self._goodbye)
        for stream in list(self._unsent):
            self._send(stream)
        self._transport.write(self._h2.data_to_send())

    def _send(self, stream: int) -> None:
        size = min(self._unsent[stream], self._h2.local_flow_control_window(stream))
        self._unsent[stream] -= size
        self._h2.send_data(stream, b"x" * size, end_stream=not self._unsent[stream])
        if not self._unsent[stream]:
            del self._unsent[stream]
            self._ends.append(stream)


@asynccontextmanager
async def peer(
    folder: Path, says_goodbye: int = 0
) -> AsyncIterator[tuple[Kept, list[int], list[int]]]:
    ends: list[int] = []
    resets: list[int] = []
    context = make_authority(folder).server_context()
    context.set_alpn_protocols(["h2"])
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Peer(ends, resets, says_goodbye), "127.0.0.1", 0, ssl=context
    )
    kept = Kept(server.sockets[0].getsockname()[1])
    try:
        yield kept, ends, resets
    finally:
        kept.close()
        server.close()
        await settle()


def with_fault(fault: str) -> Turn:
    return Turn(1, ROUTES[0], fault, ())


async def test_client_that_leaves_resets_its_stream_and_no_other(tmp_path: Path) -> None:
    async with peer(tmp_path) as (kept, ends, resets):
        left, stayed = await asyncio.gather(
            kept.ask(with_fault("early"), b"{}"), kept.ask(with_fault("none"), b"{}")
        )
        await until(lambda: resets)
    assert left is None
    assert verdict(with_fault("early"), left, 0.1) == ""
    assert stayed is not None
    assert (stayed.complete, stayed.status, len(stayed.body)) == (True, 200, 4 * WINDOW)
    assert (ends, resets, kept.closed_by_shim) == ([3], [MUTE], [])


async def test_slow_client_holds_back_its_own_stream(tmp_path: Path) -> None:
    async with peer(tmp_path) as (kept, ends, _):
        await kept.ask(with_fault("early"), b"{}")
        answers = await asyncio.gather(
            *(kept.ask(with_fault(fault), b"{}") for fault in ("slow", "none", "none"))
        )
    assert [len(answer.body) for answer in answers if answer] == [4 * WINDOW] * 3
    assert ends == [5, 7, 3]


async def test_connection_that_is_closed_ends_its_turns_and_is_counted(tmp_path: Path) -> None:
    async with peer(tmp_path, says_goodbye=2) as (kept, _, _):
        with pytest.raises(ConnectionError, match=r"GOAWAY .*INTERNAL_ERROR"):
            await kept.ask(with_fault("none"), b"{}")
    assert len(kept.closed_by_shim) == 1


async def test_closed_connection_is_wrong_even_if_its_client_had_left(tmp_path: Path) -> None:
    early = next(n for n in range(999) if turn_of(n, SEED).fault == "early")
    run = Soak(0, os.getpid(), Namespace(seed=SEED, turns=early + 1, minutes=1.0), first=early)
    async with peer(tmp_path, says_goodbye=2) as (kept, _, _):
        await run.run([(kept, 1)])
    assert dict(run.tally.protocols) == {"HTTP/2": 1}
    (wrong,) = run.tally.wrong
    assert re.match(r"a connection: GOAWAY .*INTERNAL_ERROR", wrong)


def test_share_of_the_turns_is_sent_over_http2() -> None:
    clients = clients_of(1, 20, 0.4)
    assert [(c.protocol, lanes) for c, lanes in clients] == [
        ("HTTP/1", 12),
        ("HTTP/2", 4),
        ("HTTP/2", 1),
        ("HTTP/2", 3),
    ]
    assert [c.protocol for c, _ in clients_of(1, 20, 0)] == ["HTTP/1"]


def test_short_run_has_every_route_and_nearly_every_fault() -> None:
    turns = [turn_of(number, SEED) for number in range(TURNS)]
    assert {turn.route.name for turn in turns} == {route.name for route in ROUTES}
    assert {turn.fault for turn in turns} == set(FAULTS) - {"stall"}


@pytest.mark.timeout(180)
async def test_short_run_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = Namespace(
        turns=TURNS, at_once=20, http2=0.4, pause=0.001, minutes=2.0, stall=8.0, seed=SEED
    )
    code = await soak(arguments, tmp_path)
    report = capsys.readouterr().out
    assert code == 0, report
    assert re.search(r"^clients: HTTP/1 \d+, HTTP/2 \d+$", report, re.MULTILINE), report
