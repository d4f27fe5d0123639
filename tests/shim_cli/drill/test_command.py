"""`codex-shim drill`, run as a user runs it, with a program in place of Codex."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from addons.core.upstream.protocol import Protocol
from shim_cli.drill.command import PASSED_ON, PROVIDERS, Subject, _codex_env, _config
from shim_cli.drill.drills import DRILLS
from shim_cli.state.processes import is_alive
from tests.fakes.account import Account
from tests.shim_cli.forks.client import started
from tests.shim_cli.radar.programs import fake_codex
from tests.shim_cli.run import START, Done, environment, shim
from tests.support.waiting import until

KEY = "row-key-that-no-drill-may-see"
ROWS = [
    {"slug": "chatty", "model": "m", "provider": "openai-compatible", "base_url": "http://127.0.0.1:10/v1", "api_key": KEY},
    {"slug": "clever", "model": "m", "provider": "anthropic", "base_url": "http://127.0.0.1:10/v1", "api_key": KEY},
]  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    fake_codex(tmp_path / "bin")
    models = tmp_path / ".codex-shim" / "models.json"
    models.parent.mkdir()
    models.write_text(json.dumps({"models": ROWS}))
    models.chmod(0o600)
    return tmp_path


def drill(home: Path, *args: str) -> Done:
    env = {"CODEX_BIN": str(home / "bin" / "codex"), "PATH": f"{home / 'bin'}:/usr/bin:/bin"}
    return shim(home, "drill", *args, env=env)


def test_drills_are_listed(home: Path) -> None:
    done = drill(home)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line.split(" ")[0] for line in lines[:-1]] == [one.name for one in DRILLS]
    assert lines[-1].startswith("Also: expired-login (401), slow (stall)")


@pytest.mark.parametrize(
    ("args", "model", "ends"),
    [
        (["429", "--model", "chatty"], "chatty", "HTTP 200 response.failed rate_limit_exceeded"),
        (["bad-json", "--model", "clever"], "clever", "HTTP 200 response.failed upstream_protocol"),
        (["expired-login"], "gpt-5.5", "HTTP 401 token_expired"),
    ],
)
def test_upstream_fails_and_nothing_of_the_user_is_touched(
    args: list[str], model: str, ends: str, home: Path
) -> None:
    (home / ".codex").mkdir()
    Account().write(home / ".codex")
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    done = drill(home, *args)
    assert done.returncode == 0, done.stderr
    assert f"the upstream of {model} " in done.stderr
    assert "The upstream got 1 turn. Codex got:\n" in done.stderr
    assert ends in done.stderr
    assert KEY not in done.stdout + done.stderr
    after = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert {path: data for path, data in after.items() if path in before} == before
    assert not (home / "state" / "run").exists()


@pytest.mark.parametrize(
    ("args", "message", "advice"),
    [
        (["4299"], "there is no drill '4299'. Did you mean '429'?", "List the drills: codex-shim drill"),
        (["429", "--model", "chaty"], "Did you mean 'chatty'?", "codex-shim list"),
        (["429", "--model", "shim-demo"], "no drill for shim-demo: The demo is offered only", "codex-shim list"),
    ],
)  # fmt: skip
def test_error_says_what_to_type_next(
    args: list[str], message: str, advice: str, home: Path
) -> None:
    done = drill(home, *args)
    assert done.returncode in {1, 2}
    assert message in done.stderr
    assert advice in done.stderr


def test_every_protocol_has_a_provider_and_no_credential_is_passed_on() -> None:
    assert set(PROVIDERS) == set(Protocol)
    assert not [name for name in PASSED_ON if "KEY" in name or "TOKEN" in name or "PROXY" in name]


def test_config_that_selects_a_profile_is_refused(home: Path) -> None:
    """Codex 0.133 lets it override the command line, and asks its provider."""
    (home / ".codex").mkdir()
    config = home / ".codex" / "config.toml"
    config.write_text('profile = "mine"\n[profiles.mine]\nmodel_provider = "paid"\n')
    done = drill(home, "429", "--model", "chatty")
    assert done.returncode == 1
    assert f"{config} selects the profile 'mine'" in done.stderr
    assert "so that Codex could ask your real provider" in done.stderr
    assert "Drill 429" not in done.stderr


def test_codex_uses_no_login_of_the_user() -> None:
    given = _config({"CODEX_SHIM_STATE_DIR": "state"}, 1, "m")
    assert "model_providers.codex_shim.requires_openai_auth=false" in given


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_shim_of_a_drill_ends_with_it(number: signal.Signals, home: Path) -> None:
    fake_codex(home / "bin", "hangs")
    (home / "tmp").mkdir()
    more = {"CODEX_BIN": str(home / "bin" / "codex"), "TMPDIR": str(home / "tmp"), "PATH": "/usr/bin:/bin"}  # fmt: skip
    process = started(
        [*START, "drill", "429", "--model", "chatty"],
        env=environment(home, more), cwd=home, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    with process:
        assert process.stderr
        # written when the shim runs
        assert process.stderr.readline().startswith("Drill 429")
        (state,) = (home / "tmp").glob("*/state/run/*.json")
        pid = json.loads(state.read_text())["pid"]
        assert is_alive(pid)
        process.send_signal(number)
        assert process.wait(30) != 0
        if number == signal.SIGKILL:
            # nobody is left to end the Codex that hangs, or to remove the folder
            with suppress(ProcessLookupError):  # it may not have started
                os.killpg(process.pid, signal.SIGKILL)
            asyncio.run(until(lambda: not is_alive(pid)))
            return
    assert list((home / "tmp").iterdir()) == []
    assert not is_alive(pid)


def test_codex_has_no_login_in_a_drill_of_chatgpt(tmp_path: Path) -> None:
    """With one, Codex would renew it over the network after the refusal."""
    env = {"CODEX_HOME": "/home/me/.codex", "PATH": "/bin"}
    account = Subject("gpt-5.5", Protocol.RESPONSES, is_account=True)
    folder = Path(_codex_env(env, tmp_path, account)["CODEX_HOME"])
    assert folder.is_relative_to(tmp_path)
    assert list(folder.iterdir()) == []
    assert _codex_env(env, tmp_path, Subject("row", Protocol.CHAT)) == env
