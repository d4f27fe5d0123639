"""Turns through a cursor-agent child: forwarding, limits, failures, and the end of every child."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from addons.adapters.cursor.runner import ERROR_OUTPUT_BYTES, ErrorOutput, PrintRunner
from addons.core.cursor.lines import read_control
from addons.core.cursor.settings import CursorSettings
from addons.core.errors import Problem
from addons.core.providers.cursor import ChildTurn
from tests.fakes.cursor import FakeCursor
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Cursor models need WSL there")


class Written:
    """A sink that stores what is written to it."""

    def __init__(self) -> None:
        self.data = b""

    async def write(self, data: bytes) -> None:
        self.data += data

    @property
    def lines(self) -> list[bytes]:
        return [line for line in self.data.split(b"\n") if line]

    @property
    def problem(self) -> Problem | None:
        """The problem of the control line, if the last line is one."""
        return read_control(self.lines[-1]) if self.lines else None


class Setup:
    """A fake cursor-agent and a runner for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fake = FakeCursor(folder / "fake")
        self.binary = str(self.fake.install())
        self.refreshes = 0
        self.runner = PrintRunner(
            1,
            binary=lambda: self.binary,
            env=lambda: {"PATH": self.fake.path, **self.fake.env},
            request_refresh=self._request_refresh,
        )

    def _request_refresh(self) -> None:
        self.refreshes += 1

    async def run(self, scenario: str, **settings: float) -> Written:
        self.fake.play(scenario)
        written = Written()
        wanted = CursorSettings(**settings)  # type: ignore[arg-type]
        turn = ChildTurn("composer-2.5", wanted, str(self.folder), b"the question")
        await self.runner.source(turn)(written)
        return written

    async def close(self) -> None:
        await self.runner.close()
        await until(lambda: not self.fake.alive, 10)


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[Setup]:
    made = Setup(tmp_path)
    yield made
    await made.close()


async def test_prompt_goes_to_stdin_and_events_to_the_stream(setup: Setup) -> None:
    written = await setup.run("answer")
    [turn] = setup.fake.turns
    assert turn["prompt"] == "the question"
    assert not [argument for argument in turn["argv"] if "question" in argument]
    assert turn["cwd"] == str(setup.folder)
    assert b'"type": "result"' in written.lines[-1]
    assert written.problem is None


async def test_only_event_lines_are_forwarded(setup: Setup) -> None:
    written = await setup.run("garbage")
    assert all(line.startswith(b"{") for line in written.lines)
    assert b"forged" not in written.data


@pytest.mark.parametrize(
    ("scenario", "type_", "refreshes"),
    [
        ("auth", "authentication_error", 1),
        ("auth_on_stdout", "authentication_error", 1),
        ("quota", "insufficient_quota", 0),
        ("nothing", "server_error", 0),
    ],
)
async def test_failed_child_ends_the_stream_with_a_problem(
    setup: Setup, scenario: str, type_: str, refreshes: int
) -> None:
    written = await setup.run(scenario)
    assert written.problem is not None
    assert written.problem.type == type_
    assert setup.refreshes == refreshes


async def test_failed_result_needs_no_control_line(setup: Setup) -> None:
    written = await setup.run("failed_result_auth")
    assert written.problem is None
    assert setup.refreshes == 1


async def test_collision_at_the_start_is_retried_once(setup: Setup) -> None:
    written = await setup.run("race")
    assert len(setup.fake.turns) == 2
    assert written.problem is None


async def test_exit_without_a_result_names_the_exit_code(setup: Setup) -> None:
    written = await setup.run("acts_then_crashes")
    assert written.problem is not None
    assert "ended with exit code 1" in written.problem.message


@pytest.mark.parametrize(
    ("scenario", "settings", "variable"),
    [
        ("hang_before_init", {"start_seconds": 0.2}, "CODEX_SHIM_CURSOR_START_SECONDS"),
        ("hang_in_the_middle", {"idle_seconds": 0.2}, "CODEX_SHIM_CURSOR_IDLE_SECONDS"),
        ("endless", {"total_seconds": 0.5}, "CODEX_SHIM_CURSOR_TOTAL_SECONDS"),
    ],
)
async def test_limit_ends_the_child_and_names_its_variable(
    setup: Setup, scenario: str, settings: dict[str, float], variable: str
) -> None:
    written = await setup.run(scenario, **settings)
    assert written.problem is not None
    assert written.problem.status == 504
    assert written.problem.message.endswith(f"or raise {variable}.")
    await until(lambda: not setup.fake.alive, 10)


async def test_child_that_hangs_after_its_result_is_ended(setup: Setup) -> None:
    written = await setup.run("hang_after_result", exit_seconds=0.1)
    assert written.problem is None
    await until(lambda: not setup.fake.alive, 10)


async def test_foreign_credential_ends_the_child(setup: Setup) -> None:
    written = await setup.run("foreign_key")
    assert written.problem is None, "the reader reports it from the init event"
    await until(lambda: not setup.fake.alive, 10)


async def test_cancelled_turn_ends_its_child(setup: Setup) -> None:
    turn = asyncio.ensure_future(setup.run("slow"))
    await until(lambda: setup.fake.at_work == 1)
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    await until(lambda: not setup.fake.alive, 10)


async def test_slot_is_free_only_when_the_child_is_gone(setup: Setup) -> None:
    first = asyncio.ensure_future(setup.run("slow"))
    await until(lambda: setup.fake.at_work == 1)
    second = asyncio.ensure_future(setup.run("slow"))
    await asyncio.sleep(0.1)
    assert setup.fake.at_work == 1
    assert len(setup.fake.turns) == 1
    setup.fake.go()
    assert [written.problem for written in await asyncio.gather(first, second)] == [None, None]
    assert len(setup.fake.turns) == 2


@pytest.mark.parametrize(
    ("binary", "expected"),
    [("", "cursor-agent could not be started"), ("/nowhere/x", "cannot be run")],
)
async def test_missing_binary_is_reported(setup: Setup, binary: str, expected: str) -> None:
    setup.binary = binary
    written = await setup.run("answer")
    assert written.problem is not None
    assert expected in written.problem.message


def test_error_output_keeps_the_last_lines_within_its_limit() -> None:
    output = ErrorOutput()
    for number in range(200):
        output.add(b"%d " % number + b"x" * 1000)
    kept = str(output)
    assert kept.splitlines()[-1].startswith("199 ")
    assert not kept.startswith("0 ")
    assert ERROR_OUTPUT_BYTES - 2000 < len(kept) <= ERROR_OUTPUT_BYTES + 200


def test_error_output_drops_events_and_blank_lines() -> None:
    output = ErrorOutput()
    for line in (b'{"type":"user"}', b" \t", b'stdout: {"a":1}', b"boom \xff"):
        output.add(line)
    assert str(output) == "boom �"
