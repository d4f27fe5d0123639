"""The state of the installed cursor-agent: every state, the stored copy, and when a refresh is due."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from addons.adapters.cursor import agent as cursor_agent
from addons.adapters.cursor.agent import CursorAgent
from addons.core.cursor.settings import cursor_settings
from addons.core.cursor.status import DISABLED, NOT_CHECKED, NOT_FOUND, ON_WINDOWS
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


async def refreshed(agent: CursorAgent) -> str:
    await agent.refresh()
    return agent.available.reason


async def test_missing_binary_names_the_install_command(machine: Machine) -> None:
    agent = machine.agent()
    assert agent.available is NOT_FOUND
    assert agent.is_fresh
    machine.fake.install()
    assert await refreshed(agent) == ""


@pytest.mark.parametrize("login", ["in", "text-in"])
async def test_login_makes_it_usable(machine: Machine, login: str) -> None:
    binary = machine.fake.install()
    machine.fake.login(login)
    agent = machine.agent()
    assert agent.available is NOT_CHECKED
    assert await refreshed(agent) == ""
    assert agent.available.binary == str(binary)


@pytest.mark.parametrize("login", ["out", "text-out"])
async def test_missing_login_names_the_command(machine: Machine, login: str) -> None:
    machine.fake.install()
    machine.fake.login(login)
    assert "cursor-agent login" in await refreshed(machine.agent())


async def test_unknown_output_is_not_a_login(machine: Machine) -> None:
    machine.fake.install().write_text("#!/bin/sh\necho '{}'\n")
    assert "does not understand" in await refreshed(machine.agent())


async def test_hanging_binary_is_reported(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cursor_agent, "QUERY_SECONDS", 0.5)
    machine.fake.install()
    machine.fake.login("hangs")
    assert "took longer than" in await refreshed(machine.agent())


async def test_binary_that_cannot_run_is_reported(machine: Machine) -> None:
    machine.fake.install().write_bytes(b"\x7fno program")
    assert "does not understand" in await refreshed(machine.agent())


async def test_no_query_when_disabled_or_unsupported(
    machine: Machine,
) -> None:
    machine.fake.install()
    assert machine.agent(CODEX_SHIM_DISABLE_CURSOR="1").available is DISABLED
    assert await refreshed(machine.agent("win32")) == ON_WINDOWS.reason
    assert machine.fake.status_queries == 0


async def test_named_binary_is_the_only_one(machine: Machine, tmp_path: Path) -> None:
    machine.fake.install()
    wrong = str(tmp_path / "elsewhere")
    assert wrong in machine.agent(CURSOR_AGENT_BIN=wrong).available.reason
    other = FakeCursor(tmp_path / "other").install("anything")
    assert await refreshed(machine.agent(CURSOR_AGENT_BIN=str(other))) == ""


async def test_agent_of_another_vendor_is_rejected(machine: Machine) -> None:
    binary = machine.fake.install("agent")
    assert await refreshed(machine.agent()) == ""
    binary.write_text("#!/bin/sh\necho 'grok 1.2.3'\n")
    agent = machine.agent()
    assert await refreshed(agent) == NOT_FOUND.reason
    assert agent.is_fresh


async def test_link_into_a_cursor_folder_is_accepted(machine: Machine, tmp_path: Path) -> None:
    installed = FakeCursor(tmp_path / "cursor-agent" / "versions").install("launcher")
    machine.fake.bin.mkdir(parents=True)
    machine.fake.notes.mkdir(parents=True)
    (machine.fake.bin / "agent").symlink_to(installed)
    assert await refreshed(machine.agent()) == ""


async def test_stored_state_is_fresh_for_a_limited_time(machine: Machine) -> None:
    machine.fake.install()
    agent = machine.agent()
    assert not agent.is_fresh
    await agent.refresh()
    agent.save()
    again = machine.agent()
    assert (again.available, again.is_fresh) == (agent.available, True)
    machine.now += 31
    later = machine.agent()
    assert (later.available, later.is_fresh) == (agent.available, False)
    machine.now -= 100
    assert not machine.agent().is_fresh
    assert machine.fake.status_queries == 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"asked_of":1}', b"null"])
def test_broken_stored_state_is_ignored(machine: Machine, content: bytes) -> None:
    binary = machine.fake.install()
    agent = machine.agent()
    agent.file.parent.mkdir()
    agent.file.write_bytes(content.replace(b"1}", b'"%s"}' % str(binary).encode()))
    assert machine.agent().available is NOT_CHECKED


async def test_stored_state_of_another_binary_is_ignored(machine: Machine, tmp_path: Path) -> None:
    machine.fake.install()
    agent = machine.agent()
    await agent.refresh()
    agent.save()
    other = FakeCursor(tmp_path / "other").install()
    assert machine.agent(CURSOR_AGENT_BIN=str(other)).available is NOT_CHECKED


async def test_unwritable_state_does_not_raise(machine: Machine, tmp_path: Path) -> None:
    machine.fake.install()
    (tmp_path / "file").touch()
    agent = machine.agent(CODEX_SHIM_STATE_DIR=str(tmp_path / "file"))
    agent.save()
    await agent.refresh()
    agent.save()
    assert agent.available.usable


async def test_requested_refresh_is_due_at_once(machine: Machine) -> None:
    agent = machine.agent()
    waiting = asyncio.ensure_future(agent.wait_for_refresh())
    agent.request_refresh()
    await until(waiting.done)


async def test_models_returns_the_listing(machine: Machine) -> None:
    machine.fake.install()
    agent = machine.agent()
    await agent.refresh()
    assert b"composer-2.5-fast - " in await agent.models()
