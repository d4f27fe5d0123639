"""`enable`, `model use` and `disable` with a real shim."""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shim_cli.daemons import User, user_with_daemons
from tests.shim_cli.served import SERVE, served
from tests.shim_cli.state.test_daemon import is_up

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

OWN = b'# mine\r\nmodel = "o3"\r\n[tui]\r\nx = 1'
MODELS = {
    "models": [
        {"model": "m/one", "slug": "one", "display_name": "First One", "provider": "openai",
         "base_url": "http://127.0.0.1:9/v1", "api_key": "k"},
        {"model": "m/two", "slug": "two", "display_name": "Second One", "provider": "openai",
         "base_url": "http://127.0.0.1:9/v1", "api_key": "k"},
        {"model": "m/off", "slug": "off", "provider": "openai", "base_url": "http://127.0.0.1:9/v1",
         "api_key_env": "NO_SUCH_KEY"},
    ]
}  # fmt: skip


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    with user_with_daemons(tmp_path) as someone:
        someone.config.parent.mkdir()
        someone.config.write_bytes(OWN)
        (tmp_path / ".codex-shim").mkdir()
        (tmp_path / ".codex-shim" / "models.json").write_text(json.dumps(MODELS))
        yield someone


def active(user: User) -> object:
    return tomllib.loads(user.config.read_text())["model"]


def test_enable_model_use_and_disable(user: User) -> None:
    enabled = user.run("enable")
    assert (enabled.returncode, enabled.stderr) == (0, "")
    assert enabled.stdout.startswith(
        f"Codex will use one the next time you start it ({user.config}).\n"
    )
    assert f"running at http://127.0.0.1:{user.port} (pid {user.pid})" in enabled.stdout
    assert enabled.stdout.endswith("Undo: codex-shim disable\n")
    config = tomllib.loads(user.config.read_text())
    assert config["model_provider"] == "codex_shim"
    provider = config["model_providers"]["codex_shim"]
    assert provider["base_url"] == f"http://127.0.0.1:{user.port}/v1"
    token = (user.state / "token").read_text().strip()
    assert provider["http_headers"] == {"x-codex-shim-token": token}
    assert token not in enabled.stdout
    catalog = json.loads((user.config.parent / config["model_catalog_json"]).read_text())
    assert [entry["slug"] for entry in catalog["models"]] == ["one", "two"]

    used = user.run("model", "use", "two")
    assert used.stdout.startswith("Codex will use two the next time you start it")
    assert active(user) == "two"
    assert user.run("enable").stdout.startswith("Codex already uses two")

    disabled = user.run("disable")
    assert disabled.returncode == 0
    # On a loaded machine stopping takes more than a second, which is reported.
    assert disabled.stderr in {"", "waiting up to 10 s for running turns…\n"}
    assert user.config.read_bytes() == OWN
    assert not is_up(user.port)
    again = user.run("disable")
    assert again.returncode == 0
    assert "nothing to remove" in again.stdout


@pytest.mark.parametrize(
    ("name", "slug"), [("m/two", "two"), ("second", "two"), ("one", "one"), ("FIRST", "one")]
)
def test_model_is_found_by_slug_upstream_model_or_part_of_its_name(
    user: User, name: str, slug: str
) -> None:
    assert user.run("model", "use", name).returncode == 0
    assert active(user) == slug


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nope", "there is no model 'nope'"),
        ("One", "matches several models: one, two"),
        ("off", "off is not available"),
    ],
)
def test_unknown_or_ambiguous_model_changes_nothing(user: User, name: str, expected: str) -> None:
    used = user.run("model", "use", name)
    assert used.returncode == 1
    assert expected in used.stderr
    assert user.config.read_bytes() == OWN


def test_enable_keeps_the_current_model(user: User) -> None:
    user.config.write_text('model = "two"\n')
    user.run("enable")
    assert active(user) == "two"
    assert user.run("enable", "--model", "one").returncode == 0
    assert active(user) == "one"


def test_enable_changes_nothing_if_the_shim_cannot_start(user: User) -> None:
    enabled = user.run("enable", CODEX_SHIM_CHATGPT_BASE_URL="http://x.example")
    assert enabled.returncode == 1
    assert user.config.read_bytes() == OWN


def test_invalid_config_is_an_error(user: User) -> None:
    user.config.write_text("broken = \n")
    enabled = user.run("enable")
    assert enabled.returncode == 1
    assert "not valid TOML" in enabled.stderr
    assert "Traceback" not in enabled.stderr
    assert user.config.read_text() == "broken = \n"


def test_disable_needs_neither_the_shim_nor_the_state_folder(user: User) -> None:
    user.run("enable")
    assert user.run("stop").returncode == 0
    shutil.rmtree(user.state)
    assert user.run("disable").returncode == 0
    assert user.config.read_bytes() == OWN
    assert not user.state.exists()


def test_disable_names_what_was_changed_since_enable(user: User) -> None:
    user.run("enable")
    lines = [
        b'model_reasoning_effort = "low"\n',
        user.config.read_bytes().replace(b"x = 1", b"x = 2"),
        b'\n[projects."/home/me"]\ntrust_level = "trusted"\n',
    ]
    user.config.write_bytes(b"".join(lines))
    disabled = user.run("disable")
    names = "tui.x, model_reasoning_effort, projects"
    told = [line for line in disabled.stdout.splitlines() if line.startswith("Changed since")]
    assert told == [f"Changed since `enable`, by Codex or by you, and left so: {names}"]
    assert tomllib.loads(user.config.read_text())["model_reasoning_effort"] == "low"


def test_disable_names_changes_after_the_state_folder_was_moved(user: User) -> None:
    user.config.write_bytes('model = "o3"\n[tui]\nx = "ä"\ny = "ö"\n'.encode())
    user.run("enable")
    user.config.write_bytes(user.config.read_bytes().replace("ö".encode(), "ü".encode()))
    journal = user.state / "wiring.json"
    record = json.loads(journal.read_text())
    record["backup"] = str(user.home / "before" / Path(record["backup"]).name)
    journal.write_text(json.dumps(record))
    assert "left so: tui.y\n" in user.run("disable").stdout


def test_disable_says_nothing_of_changes_without_a_copy_of_before(user: User) -> None:
    user.run("enable")
    shutil.rmtree(user.state / "config-backups")
    assert "Changed since" not in user.run("disable").stdout


def test_disable_does_not_stop_a_foreground_shim(tmp_path: Path) -> None:
    with served(tmp_path, *SERVE) as running:
        user = User(tmp_path, running.port)
        assert user.run("enable").returncode == 0
        assert user.run("disable").returncode == 0
        assert not user.config.exists()
        assert running.process.poll() is None


def test_block_of_an_earlier_shim_is_removed_on_request(user: User) -> None:
    user.config.write_text(
        '# >>> codex-shim managed >>>\n# codex-shim previous-top-level = {"model": "model = \\"o3\\""}\n'
        'model = "x"\n# <<< codex-shim managed <<<\n'
    )
    before = user.config.read_text()
    assert "codex-shim disable --older" in user.run("enable").stdout
    output = user.run("disable").stdout
    assert "codex-shim disable --older" in output
    assert user.config.read_text() == before
    cleaned = user.run("disable", "--older")
    assert cleaned.returncode == 0
    assert user.config.read_text() == 'model = "o3"\n'


def test_config_readable_by_others_is_reported(user: User) -> None:
    user.config.chmod(0o644)
    assert f"chmod 600 {user.config}" in user.run("enable").stdout
    user.config.chmod(0o600)
    assert "chmod" not in user.run("enable").stdout


def test_websocket_follows_its_setting(user: User, tmp_path: Path) -> None:
    models = tmp_path / ".codex-shim" / "models.json"
    for wanted, shown in ((True, "on"), (False, "off")):
        models.write_text(json.dumps({**MODELS, "websocket": wanted}))
        enabled = user.run("enable")
        provider = tomllib.loads(user.config.read_text())["model_providers"]["codex_shim"]
        assert (enabled.returncode, provider["supports_websockets"]) == (0, wanted)
        [line] = [each for each in enabled.stdout.splitlines() if "WebSocket" in each]
        assert line.split()[0] == shown


def test_model_use_without_settings_is_an_error(user: User) -> None:
    (user.home / ".codex-shim" / "models.json").write_text("{}")
    used = user.run("model", "use", "qqq")
    assert used.returncode == 1
    assert "there is no model 'qqq'" in used.stderr
