"""Runs of Codex: its contract, and what is told when it says nothing."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from addons.adapters.codex.cli import CodexCli
from addons.core.contract.contract import Contract, differences
from shim_cli.radar import runner
from shim_cli.radar.runner import Radar, RadarError
from shim_cli.radar.scenarios import SCENARIOS
from tests.shim_cli.radar.programs import fake_codex


def contract(folder: Path, plants: str = "", *settings: str) -> Contract:
    codex = CodexCli(str(fake_codex(folder, plants)), dict(os.environ))
    return Radar(codex, settings).contract(lambda _: None)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return contract(tmp_path_factory.mktemp("plain"))


def test_contract_is_that_of_all_scenarios(plain: Contract) -> None:
    assert plain.codex == "0.172.0"
    assert set(plain.names("endpoint")) == {"POST /responses"}
    assert set(plain.names("model")) == {"gpt-5.5", "gpt-6-sol"}
    assert "planted_key" in plain.names("catalog key")
    # each scenario was played to its end: its calls came back as items
    assert {"message user", "reasoning", "function_call", "custom_tool_call"} <= set(
        plain.names("item")
    )
    assert "response.queued" not in plain.names("event")
    assert "response.metadata" in plain.names("event")


def test_each_planted_name_is_named_and_nothing_else(plain: Contract, tmp_path: Path) -> None:
    planted = contract(tmp_path, "header item tool event")
    assert [(one.section, one.name, one.member, one.is_new) for one in differences(plain, planted)] == [
        ("header", "POST /responses", "x-planted", True),
        ("item", "planted_item", "", True),
        ("tool", "function planted_tool", "", True),
        ("event", "response.queued", "", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("plants", "reason"),
    [
        ("silent", r"sent no turn in the run .*: Error: nothing to do"),
        ("hangs", r"took longer than 0\.5 s"),
    ],
)
def test_run_that_says_nothing_is_an_error_with_its_reason(
    plants: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LIMIT_SECONDS", 0.5 if plants == "hangs" else 60)
    with pytest.raises(RadarError, match=reason):
        contract(tmp_path, plants)


@pytest.mark.parametrize("end", ["silent", "hangs"])
def test_no_process_outlives_its_run(
    end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LIMIT_SECONDS", 1.0 if end == "hangs" else 60)
    began = time.monotonic()
    with pytest.raises(RadarError):
        contract(tmp_path, f"leaves {end}")
    assert time.monotonic() - began < 20
    left = [int(line) for line in (tmp_path / "left").read_text().split()]
    assert len(left) == 2
    gone = left if sys.platform == "linux" else left[:1]
    assert all(is_gone(one) for one in gone)


def test_catalog_that_is_no_json_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RadarError, match="no catalog"):
        contract(tmp_path, "babbles")


def is_gone(pid: int) -> bool:
    """Return whether a process is gone or a zombie."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except (ProcessLookupError, FileNotFoundError):
        return True


def test_settings_of_the_user_come_last(tmp_path: Path) -> None:
    # The fake reads the last value of a key, as Codex does: nobody listens there.
    closed = 'model_providers.codex_shim.base_url="http://127.0.0.1:9/v1"'
    with pytest.raises(RadarError, match="sent no turn"):
        contract(tmp_path, "", closed)


def test_credentials_of_the_environment_are_not_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-fabricated")
    codex = CodexCli(str(fake_codex(tmp_path)), dict(os.environ))
    run = runner._Run(tmp_path, 1, SCENARIOS[0], Radar(codex))
    env = run._env(tmp_path)
    assert not {name for name in env if "KEY" in name or "TOKEN" in name}
    assert {env[name] for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")} == {runner.CLOSED}
