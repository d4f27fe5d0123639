"""Where cursor-agent is and whether it is logged in: every state, and nothing is run by looking."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from addons.core.cursor.settings import cursor_settings
from addons.core.cursor.status import DISABLED, NOT_ASKED, NOT_FOUND, ON_WINDOWS
from addons.origins import cursor_agent
from addons.origins.cursor_agent import CursorAgent
from addons.origins.cursor_binary import find_binary
from tests.fakes.cursor import FakeCursor
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Cursor models need WSL there")


class Machine:
    def __init__(self, folder: Path) -> None:
        self.fake = FakeCursor(folder / "fake")
        self.env = {
            "HOME": str(folder),
            "PATH": self.fake.path,
            "CODEX_SHIM_STATE_DIR": str(folder / "state"),
            **self.fake.env,
        }
        self.now = 1000.0

    def agent(self, platform: str = "linux", **env: str) -> CursorAgent:
        whole = {**self.env, **env}
        return CursorAgent(whole, cursor_settings(whole), lambda: whole, lambda: self.now, platform)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


async def asked(agent: CursorAgent) -> str:
    await agent.refresh()
    return agent.available.reason


async def test_without_a_binary_it_says_how_to_get_one(machine: Machine) -> None:
    agent = machine.agent()
    assert agent.available is NOT_FOUND
    assert agent.is_fresh
    machine.fake.install()
    assert await asked(agent) == ""


@pytest.mark.parametrize("login", ["in", "text-in"])
async def test_a_login_makes_it_usable(machine: Machine, login: str) -> None:
    binary = machine.fake.install()
    machine.fake.login(login)
    agent = machine.agent()
    assert agent.available is NOT_ASKED
    assert await asked(agent) == ""
    assert agent.available.binary == str(binary)


@pytest.mark.parametrize("login", ["out", "text-out"])
async def test_logged_out_it_says_what_to_type(machine: Machine, login: str) -> None:
    machine.fake.install()
    machine.fake.login(login)
    assert "cursor-agent login" in await asked(machine.agent())


async def test_an_answer_that_is_not_understood_is_no_login(machine: Machine) -> None:
    machine.fake.install().write_text("#!/bin/sh\necho '{}'\n")
    assert "does not understand" in await asked(machine.agent())


async def test_one_that_hangs_is_ended_and_told(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cursor_agent, "ASK_SECONDS", 0.5)
    machine.fake.install()
    machine.fake.login("hangs")
    assert "took longer than" in await asked(machine.agent())


async def test_one_that_cannot_be_started_is_told(machine: Machine) -> None:
    machine.fake.install().write_bytes(b"\x7fno program")
    assert "does not understand" in await asked(machine.agent())


async def test_nothing_is_asked_when_it_is_switched_off_or_cannot_run_here(
    machine: Machine,
) -> None:
    machine.fake.install()
    assert machine.agent(CODEX_SHIM_DISABLE_CURSOR="1").available is DISABLED
    assert await asked(machine.agent("win32")) == ON_WINDOWS.reason
    assert machine.fake.asked == 0


async def test_a_binary_that_was_named_counts_alone(machine: Machine, tmp_path: Path) -> None:
    machine.fake.install()
    wrong = str(tmp_path / "elsewhere")
    assert wrong in machine.agent(CURSOR_AGENT_BIN=wrong).available.reason
    other = FakeCursor(tmp_path / "other").install("anything")
    assert await asked(machine.agent(CURSOR_AGENT_BIN=str(other))) == ""


async def test_an_agent_of_cursors_is_taken_and_anothers_is_not(machine: Machine) -> None:
    binary = machine.fake.install("agent")
    assert await asked(machine.agent()) == ""
    binary.write_text("#!/bin/sh\necho 'grok 1.2.3'\n")
    agent = machine.agent()
    assert await asked(agent) == NOT_FOUND.reason
    assert agent.is_fresh


async def test_a_link_into_cursors_own_folder_proves_itself(
    machine: Machine, tmp_path: Path
) -> None:
    installed = FakeCursor(tmp_path / "cursor-agent" / "versions").install("launcher")
    machine.fake.bin.mkdir(parents=True)
    machine.fake.notes.mkdir(parents=True)
    (machine.fake.bin / "agent").symlink_to(installed)
    assert await asked(machine.agent()) == ""


def test_cursor_agent_is_looked_for_before_agent(tmp_path: Path) -> None:
    first, second = FakeCursor(tmp_path / "1"), FakeCursor(tmp_path / "2")
    first.install("agent")
    binary = second.install("cursor-agent")
    path = f"{first.bin}{os.pathsep}{os.pathsep}{second.bin}"
    assert find_binary({"PATH": path}) == str(binary)
    assert find_binary({"PATH": path, "CURSOR_AGENT_BIN": "agent"}) == str(first.bin / "agent")
    assert find_binary({}) == ""


async def test_what_was_found_serves_the_next_for_a_while(machine: Machine) -> None:
    machine.fake.install()
    agent = machine.agent()
    assert not agent.is_fresh
    await agent.refresh()
    agent.keep()
    again = machine.agent()
    assert (again.available, again.is_fresh) == (agent.available, True)
    machine.now += 31
    later = machine.agent()
    assert (later.available, later.is_fresh) == (agent.available, False)
    machine.now -= 100
    assert not machine.agent().is_fresh
    assert machine.fake.asked == 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"asked_of":1}', b"null"])
def test_a_broken_note_is_as_good_as_none(machine: Machine, content: bytes) -> None:
    binary = machine.fake.install()
    agent = machine.agent()
    agent.file.parent.mkdir()
    agent.file.write_bytes(content.replace(b"1}", b'"%s"}' % str(binary).encode()))
    assert machine.agent().available is NOT_ASKED


async def test_a_note_of_another_binary_is_not_used(machine: Machine, tmp_path: Path) -> None:
    machine.fake.install()
    agent = machine.agent()
    await agent.refresh()
    agent.keep()
    other = FakeCursor(tmp_path / "other").install()
    assert machine.agent(CURSOR_AGENT_BIN=str(other)).available is NOT_ASKED


async def test_a_note_that_cannot_be_written_is_no_matter(machine: Machine, tmp_path: Path) -> None:
    machine.fake.install()
    (tmp_path / "file").touch()
    agent = machine.agent(CODEX_SHIM_STATE_DIR=str(tmp_path / "file"))
    agent.keep()
    await agent.refresh()
    agent.keep()
    assert agent.available.usable


async def test_a_doubt_brings_the_next_look_forward(machine: Machine) -> None:
    agent = machine.agent()
    waiting = asyncio.ensure_future(agent.next_look())
    agent.doubt()
    await until(waiting.done)


async def test_models_are_what_it_lists(machine: Machine) -> None:
    machine.fake.install()
    agent = machine.agent()
    await agent.refresh()
    assert b"composer-2.5-fast - " in await agent.models()
