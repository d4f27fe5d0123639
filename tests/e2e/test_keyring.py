"""Codex's login in the system keyring: the real Codex stores it, and the shim reads it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.codex_cli import CodexHome, Json
from tests.e2e.newcomer import Newcomer
from tests.fakes import scenarios
from tests.fakes.logins import ApiBackend, KeyAccount

pytest.importorskip("jeepney", reason="the keyring of Linux only")

from tests.fakes.secret_service import SecretService, dbus_daemon

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest.fixture
def cleanup() -> Iterator[list[Newcomer]]:
    people: list[Newcomer] = []
    yield people
    for someone in people:
        someone.end_all()


@pytest.mark.skipif(not dbus_daemon(), reason="dbus-daemon runs the bus of the keyring")
def test_login_that_codex_keeps_in_the_keyring_serves_a_turn(
    user: CodexHome, bundled_models: list[Json], cleanup: list[Newcomer], tmp_path: Path
) -> None:
    login = KeyAccount()
    models = json.dumps({"models": bundled_models}).encode()
    with SecretService(tmp_path) as ring, ApiBackend(login, models) as api:
        someone = Newcomer(
            user,
            {
                "CODEX_SHIM_OPENAI_BASE_URL": api.base_url,
                "DBUS_SESSION_BUS_ADDRESS": ring.address,
            },
        )
        cleanup.append(someone)
        someone.config.write_text('cli_auth_credentials_store = "keyring"\n')
        subprocess.run(
            [str(user.codex), "login", "--with-api-key"],
            env=user.env,
            input=login.access_token,
            text=True,
            capture_output=True,
            check=True,
            timeout=60,
        )
        assert len(ring.entries) == 1
        assert not (user.codex_home / "auth.json").exists()
        api.play(scenarios.text("through the shim"))
        someone.ok("model", "use", "gpt-5.5")
        run = someone.home.exec("hello")
        assert "API key in the system keyring" in someone.ok("doctor")
    assert run.messages == ["through the shim"], run.errors
    assert api.refused == []
