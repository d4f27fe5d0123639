"""What the commands say of Cursor: in each state, each with what to type."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from addons.adapters.route_sources import RouteSources
from addons.core.cursor.catalog import describe_policy
from addons.core.cursor.settings import CursorSettings
from addons.core.cursor.status import DISABLED, NOT_FOUND
from shim_cli.commands.serve import announcement
from tests.fakes.cursor import FakeCursor
from tests.shim_cli.daemons import User, user_with_daemons
from tests.shim_cli.doctor.findings import section_findings, section_messages
from tests.shim_cli.run import environment, shim

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Cursor models need WSL there")


@pytest.fixture
def fake(tmp_path: Path) -> FakeCursor:
    return FakeCursor(tmp_path / "fake")


@pytest.fixture
def more(fake: FakeCursor) -> dict[str, str]:
    return {"PATH": fake.path, **fake.env, "CURSOR_API_KEY": "canary-key"}


def hidden(home: Path, more: dict[str, str]) -> str:
    """Why `list --all` says that Composer is hidden; empty when it is live."""
    rows = json.loads(shim(home, "list", "--all", "--json", env=more).stdout)
    [row] = [row for row in rows if row["slug"] == "composer-2-5"]
    assert row["live"] is (not row["hidden_because"])
    return str(row["hidden_because"])


def test_list_in_each_login_state(tmp_path: Path, fake: FakeCursor, more: dict[str, str]) -> None:
    assert hidden(tmp_path, more) == NOT_FOUND.reason
    fake.install()
    fake.login("out")
    assert "cursor-agent login" in hidden(tmp_path, more)
    fake.login("in")
    # The status is cached for half a minute.
    assert "cursor-agent login" in hidden(tmp_path, more)
    assert fake.status_queries == 1
    soon = {**more, "CODEX_SHIM_CURSOR_STATUS_SECONDS": "0.001"}
    assert hidden(tmp_path, soon) == ""
    assert hidden(tmp_path, {**soon, "CODEX_SHIM_DISABLE_CURSOR": "1"}) == DISABLED.reason
    assert not (fake.notes / "leaked").exists()


def test_cached_list_runs_no_cursor_agent_and_notices_an_uninstall(
    tmp_path: Path, fake: FakeCursor, more: dict[str, str]
) -> None:
    binary = fake.install()
    for _ in range(3):
        assert hidden(tmp_path, more) == ""
    assert fake.status_queries == 1
    binary.unlink()
    assert hidden(tmp_path, more) == NOT_FOUND.reason


def test_list_shows_composer_with_provider_cursor(
    tmp_path: Path, fake: FakeCursor, more: dict[str, str]
) -> None:
    fake.install()
    lines = shim(tmp_path, "list", env=more).stdout.splitlines()
    assert lines[0] == "composer-2-5       Composer 2.5  ->  composer-2.5 (Cursor)"


def test_doctor_in_each_login_state(tmp_path: Path, fake: FakeCursor, more: dict[str, str]) -> None:
    env = environment(tmp_path, more)
    section = "Cursor passthrough"
    assert section_messages(env, section) == [("INFO", NOT_FOUND.reason)]
    wrong = section_findings({**env, "CURSOR_AGENT_BIN": "/nowhere/agent"}, section)[0]
    assert (wrong.level, wrong.advice) == ("WARN", "unset CURSOR_AGENT_BIN")
    binary = fake.install()
    fake.login("out")
    out = section_findings(env, section)[0]
    assert (out.level, out.advice) == ("WARN", f"{binary} login")
    assert "logged out" in out.message
    fake.login("in")
    assert section_messages(env, section)[:2] == [
        ("OK", f"2 models: composer-2-5, composer-2-5-fast, through {binary}"),
        ("INFO", describe_policy(CursorSettings())),
    ]
    env["CODEX_SHIM_DISABLE_CURSOR"] = "1"
    assert section_messages(env, section) == [("INFO", DISABLED.reason)]


def test_doctor_shows_policy_folder_and_problems(
    tmp_path: Path, fake: FakeCursor, more: dict[str, str]
) -> None:
    fake.install()
    env = environment(
        tmp_path,
        {
            **more,
            "CODEX_SHIM_CURSOR_FORCE": "1",
            "CODEX_SHIM_CURSOR_MODEL": "composer-9",
            "CODEX_SHIM_CURSOR_WORKSPACE": str(tmp_path / "gone"),
            "CODEX_SHIM_CURSOR_MAX_CONCURRENT": "none",
        },
    )
    findings = section_findings(env, "Cursor passthrough")
    by_level = {
        level: [each.message for each in findings if each.level == level]
        for level in ("FAIL", "WARN", "INFO")
    }
    assert "which is not a folder" in by_level["FAIL"][0]
    assert "runs every shell command" in by_level["INFO"][0]
    wrong, unlisted = by_level["WARN"]
    assert "CODEX_SHIM_CURSOR_MAX_CONCURRENT" in wrong
    assert unlisted == "cursor-agent does not list the model composer-9"


def test_generate_includes_live_cursor_models(
    tmp_path: Path, fake: FakeCursor, more: dict[str, str]
) -> None:
    fake.install()
    ran = shim(tmp_path, "generate", env=more)
    assert "Wrote 2 models: 2 cursor." in ran.stdout, ran.stderr
    catalog = json.loads((tmp_path / "state" / "custom_model_catalog.json").read_text())
    [standard, _] = catalog["models"]
    assert describe_policy(CursorSettings()) in standard["description"]


@pytest.fixture
def user(tmp_path: Path, more: dict[str, str]) -> Iterator[User]:
    with user_with_daemons(tmp_path) as someone:
        someone.more = more
        yield someone


def test_model_use_selects_composer(user: User, fake: FakeCursor) -> None:
    """The folder of Codex's config is made by it, and the shim that it starts has the model at once."""
    fake.install()
    ran = user.run("model", "use", "composer-2-5")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert 'model = "composer-2-5"' in user.config.read_text()
    deadline = time.monotonic() + 20
    while '"cursor_passthrough": true' not in user.run("status", "--json").stdout:
        assert time.monotonic() < deadline
    assert user.run("stop").returncode == 0
    assert not fake.alive


def test_logged_out_model_cannot_be_selected(user: User, fake: FakeCursor) -> None:
    fake.install()
    fake.login("out")
    ran = user.run("model", "use", "composer-2-5")
    assert ran.returncode == 1
    assert "cursor-agent login" in ran.stderr
    assert not user.config.exists()


def test_announcement_says_why_cursor_is_not_live(
    tmp_path: Path, fake: FakeCursor, more: dict[str, str]
) -> None:
    env = environment(tmp_path, more)
    assert "cursor" not in "".join(announcement("127.0.0.1:1", RouteSources(env)))
    fake.install()
    fake.login("out")
    shim(tmp_path, "list", env=more)
    assert "  cursor    not live: Cursor is logged out here." in "\n".join(
        announcement("127.0.0.1:1", RouteSources(env))
    )
