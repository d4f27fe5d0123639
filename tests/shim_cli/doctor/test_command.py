from __future__ import annotations

import json
from pathlib import Path

import pytest

from addons.core.codex.auth_json import read_login
from addons.core.codex.login import LoginProblem
from addons.core.cursor.status import NOT_FOUND
from shim_cli.doctor.command import format_lines
from shim_cli.doctor.finding import Finding
from tests.shim_cli.doctor.findings import put
from tests.shim_cli.run import shim


def test_empty_setup_gives_warnings_with_commands(tmp_path: Path) -> None:
    ran = shim(tmp_path, "doctor", "--port", "9")

    lines = ran.stdout.splitlines()
    home = str(tmp_path)
    assert ran.returncode == 0
    assert ran.stderr == ""
    no_login = read_login(None, f"{home}/.codex/auth.json")
    assert isinstance(no_login, LoginProblem)
    assert lines[lines.index("Codex CLI") :] == [
        "Codex CLI",
        "  WARN  Codex was not found on PATH, and CODEX_BIN does not name it",
        "        npm install -g @openai/codex",
        "Settings",
        f"  INFO  {home}/.codex-shim/models.json does not exist: no models of your own",
        "ChatGPT passthrough",
        f"  WARN  {no_login.message}",
        "        codex login",
        "Cursor passthrough",
        f"  INFO  {NOT_FOUND.reason}",
        "Daemon",
        "  WARN  nothing listens at http://127.0.0.1:9",
        "        codex-shim start --port 9",
        "Catalog",
        f"  WARN  {home}/state/custom_model_catalog.json does not exist yet",
        "        codex-shim generate",
        "Codex config",
        f"  INFO  {home}/.codex/config.toml does not exist: Codex does not use the shim",
        "Environment",
        "  OK    no proxy variable is set",
        "Certificates",
        "  OK    upstreams are verified with the public certificates that come with mitmproxy",
        "Summary",
        "  10 OK, 4 WARN, 0 FAIL, 3 INFO",
        "  Not checked: whether the models answer. Ask them: codex-shim test",
    ]
    assert not (tmp_path / ".codex").exists()
    assert not (tmp_path / "state").exists()


def test_failure_sets_exit_code_1_and_json_has_it(tmp_path: Path) -> None:
    put(tmp_path / "state" / "custom_model_catalog.json", "{}")

    ran = shim(tmp_path, "doctor", "--json", "--port", "9")

    report = json.loads(ran.stdout)
    assert ran.returncode == 1
    assert report["summary"]["FAIL"] == 1
    assert [row["section"] for row in report["findings"] if row["level"] == "FAIL"] == ["Catalog"]


def test_lines_are_grouped_by_section() -> None:
    findings = [
        Finding("A", "OK", "one"),
        Finding("A", "FAIL", "two", "type this"),
        Finding("B", "INFO", "three"),
    ]

    assert format_lines(findings) == [
        "A",
        "  OK    one",
        "  FAIL  two",
        "        type this",
        "B",
        "  INFO  three",
    ]


@pytest.mark.parametrize("about", ["models", "picker"])
def test_invalid_base_url_fails(tmp_path: Path, about: str) -> None:
    ran = shim(tmp_path, "doctor", about, env={"CODEX_SHIM_CHATGPT_BASE_URL": "chatgpt.com"})

    assert (ran.returncode, ran.stderr) == (1, "")
    assert "FAIL" in ran.stdout


def test_unknown_view_is_a_usage_error(tmp_path: Path) -> None:
    ran = shim(tmp_path, "doctor", "everything")

    assert ran.returncode == 2
    assert "'everything' is not one of 'all', 'models', 'picker'" in ran.stderr
