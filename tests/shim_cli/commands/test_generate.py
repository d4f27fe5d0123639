from __future__ import annotations

import json
import shlex
import tomllib
from pathlib import Path

import pytest

from addons.core.codex.catalog import EVERY_VERSION, catalog_problems, fallback_entries
from addons.core.routes import RouteTable
from shim_cli.commands.generate import generate
from shim_cli.console.errors import CliError
from tests.adapters.fake_codex import FakeCodex
from tests.shim_cli.run import shim


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def catalog_of(home: Path) -> Path:
    return home / "state" / "custom_model_catalog.json"


def log_in(home: Path, *entries: object) -> None:
    codex = home / ".codex"
    codex.mkdir()
    (codex / "auth.json").write_text('{"tokens":{"access_token":"opaque"}}')
    (codex / "models_cache.json").write_text(json.dumps({"models": entries}))


def test_catalog_and_config_are_consistent(home: Path) -> None:
    ran = shim(home, "generate", "--port", "9001")

    assert ran.returncode == 0
    catalog = json.loads(catalog_of(home).read_bytes())
    config = tomllib.loads((home / "state" / "config.toml").read_text())
    assert catalog_problems(catalog, EVERY_VERSION) == []
    assert config["model"] == catalog["models"][0]["slug"] == "shim-demo"
    assert config["model_catalog_json"] == str(catalog_of(home))
    assert config["model_providers"]["codex_shim"]["base_url"] == "http://127.0.0.1:9001/v1"


def test_output_lists_files_and_commands(home: Path) -> None:
    lines = shim(home, "generate", "--port", "9001").stdout.splitlines()

    assert lines[:-1] == [
        "Wrote 1 model: 1 demo.",
        "  3 models hidden; `codex-shim list --all` shows why.",
        f"  catalog  {catalog_of(home)}",
        f"  config   {home}/state/config.toml",
        "No Codex is installed, so codex-shim checked the catalog with its own rules.",
        "Codex's own folder was not changed. Start the shim, then try it:",
        "  codex-shim serve --port 9001",
    ]
    words = shlex.split(lines[-1])
    assert words[:3] == ["codex", "-c", 'model="shim-demo"']


def test_codex_folder_is_not_changed(home: Path) -> None:
    log_in(home, *fallback_entries())
    fake = FakeCodex(home)
    before = {path: path.read_bytes() for path in (home / ".codex").iterdir()}

    ran = shim(home, "generate", env={"CODEX_BIN": str(fake.binary), "PATH": "/usr/bin:/bin"})

    assert ran.returncode == 0
    assert {path: path.read_bytes() for path in (home / ".codex").iterdir()} == before
    assert all(not folder.is_relative_to(home) for _, folder in fake.calls)


def test_account_entries_are_written_verbatim(home: Path) -> None:
    entry = {**fallback_entries()[0], "slug": "gpt-7", "use_responses_lite": True, "new_field": [1]}
    log_in(home, {**entry, "slug": "helper", "visibility": "hide"}, entry)

    ran = shim(home, "generate")

    catalog = json.loads(catalog_of(home).read_bytes())
    config = tomllib.loads((home / "state" / "config.toml").read_text())
    assert catalog["models"][1] == entry
    assert config["model"] == "gpt-7", "the first visible model"
    assert "127.0.0.1:9 could not be reached for its models" in ran.stderr


def test_installed_codex_accepts_the_catalog(home: Path) -> None:
    fake = FakeCodex(home)

    ran = shim(home, "generate", env={"CODEX_BIN": str(fake.binary)})

    assert ran.returncode == 0
    assert "Codex starts with this catalog.\n" in ran.stdout


@pytest.mark.parametrize("installed", [True, False])
def test_rejected_catalog_does_not_replace_the_old_one(home: Path, *, installed: bool) -> None:
    log_in(home, {"slug": "gpt-7"})
    catalog_of(home).parent.mkdir()
    catalog_of(home).write_text("old")
    env = {"CODEX_BIN": str(FakeCodex(home, behaviour="refuse").binary)} if installed else {}

    ran = shim(home, "generate", env=env)

    assert ran.returncode == 1
    assert ran.stdout == ""
    assert "Codex would not start with the new catalog, so it was not written: " in ran.stderr
    assert ("missing field `slug`" in ran.stderr) is installed
    assert ('models["gpt-7"].display_name: is missing' in ran.stderr) is not installed
    assert catalog_of(home).read_text() == "old"
    assert not (home / "state" / "config.toml").exists()


def test_broken_codex_falls_back_to_built_in_rules(home: Path) -> None:
    fake = FakeCodex(home, behaviour="broken")

    ran = shim(home, "generate", env={"CODEX_BIN": str(fake.binary)})

    assert ran.returncode == 0
    assert f"Checked with codex-shim's own rules: `{fake.binary} debug models` failed" in ran.stdout


def test_unwritable_state_folder_is_an_error(home: Path) -> None:
    (home / "state").write_text("a file in the way")

    ran = shim(home, "generate")

    assert ran.returncode == 1
    assert ran.stderr.endswith("Set CODEX_SHIM_STATE_DIR to a folder that you can write to.\n")
    assert "internal error" not in ran.stderr


def test_command_line_uses_the_token_without_showing_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "state").mkdir()
    token = "t" * 40
    (tmp_path / "state" / "token").write_text(f"{token}\n")
    done = shim(tmp_path, "generate")
    assert token not in done.stdout
    assert f'CODEX_SHIM_TOKEN="$(cat {tmp_path}/state/token)" codex -c ' in done.stdout
    config = (tmp_path / "state" / "config.toml").read_text()
    assert f'x-codex-shim-token = "{token}"' in config


def test_no_model_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_table(*_: object) -> RouteTable:
        return RouteTable()

    monkeypatch.setattr("shim_cli.commands.generate._table", no_table)
    with pytest.raises(CliError, match="no model is available") as caught:
        generate({"CODEX_SHIM_STATE_DIR": str(tmp_path / "state")}, 8765, None)
    assert "codex login" in caught.value.advice
    assert list(tmp_path.iterdir()) == []
