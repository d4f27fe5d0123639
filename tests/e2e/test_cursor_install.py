"""One command configures Codex to use Composer; another restores its config."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.codex_cli import CodexHome
from tests.e2e.newcomer import OWN, Newcomer
from tests.e2e.shim import shim_command
from tests.fakes.cursor import FakeCursor

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest.fixture
def fake(tmp_path: Path) -> FakeCursor:
    fake = FakeCursor(tmp_path / "cursor")
    fake.install()
    return fake


@pytest.fixture
def newcomer(user: CodexHome, fake: FakeCursor) -> Iterator[Newcomer]:
    path = f"{fake.bin}{os.pathsep}{os.environ['PATH']}"
    someone = Newcomer(user, {**fake.env, "PATH": path})
    yield someone
    someone.end_all()


@pytest.fixture
def install(newcomer: Newcomer) -> Newcomer:
    """The same user with the install command."""
    program = [f"{shim_command()[0]}-install-cursor-composer"]
    other = Newcomer(newcomer.home, newcomer.env, program)
    newcomer.port = other.port
    return other


def test_install_runs_a_turn_and_can_be_undone(
    newcomer: Newcomer, install: Newcomer, fake: FakeCursor
) -> None:
    error_reply = install.ok()
    assert "Codex will use composer-2-5 the next time you start it" in error_reply
    assert newcomer.token not in error_reply

    run = newcomer.home.exec("hello")

    assert run.code == 0, run.stderr
    assert run.messages == ["Answer 0 of Cursor. "]
    assert "not found" not in run.errors
    [turn] = fake.turns
    assert turn["cwd"] == str(newcomer.home.workspace)
    newcomer.ok("disable")
    # Codex appends to its config that it trusts the folder
    assert newcomer.config.read_bytes().startswith(OWN)


def test_install_without_a_login_changes_nothing(
    newcomer: Newcomer, install: Newcomer, fake: FakeCursor
) -> None:
    fake.login("out")
    home = newcomer.home.codex_home
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    ran = install.run()
    assert ran.returncode == 1
    assert "cursor-agent login" in ran.stderr
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before
    assert newcomer.records == []
