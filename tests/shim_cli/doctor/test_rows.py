"""Rows of models.json in `doctor` and `list`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from shim_cli.doctor.finding import DoctorContext
from shim_cli.doctor.sections import run_sections
from tests.shim_cli.run import START, environment, shim

ROW = {"model": "m", "provider": "mine", "base_url": "https://a.example/v1"}


def found(home: Path, *rows: object, mode: int = 0o600, **env: str) -> list[tuple[str, str, str]]:
    path = home / ".codex-shim" / "models.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(rows))
    path.chmod(mode)
    findings = run_sections(DoctorContext(environment(home, env), 9, cwd=home))
    section = [finding for finding in findings if finding.section == "Settings"]
    return [(f.level, f.message.replace(str(path), "FILE"), f.advice) for f in section]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "no key"),
        ({"api_key": "hush"}, "api_key in the file"),
        ({"api_key_env": "HOME"}, "key from HOME"),
        ({"auth_command": "/bin/get", "auth_args": ["hush"]}, "key from get"),
    ],
)
def test_usable_row_is_ok_with_the_source_of_its_key(
    tmp_path: Path, fields: dict[str, object], expected: str
) -> None:
    findings = found(tmp_path, {**ROW, **fields})
    assert "hush" not in repr(findings)
    assert findings == [
        ("OK", "FILE", ""),
        ("OK", f"m: m at https://a.example (mine), {expected}", ""),
    ]


def test_row_without_key_is_a_warning_with_a_command(tmp_path: Path) -> None:
    [_, (level, message, advice)] = found(tmp_path, {"model": "m", "provider": "deepseek"})
    assert level == "WARN"
    assert message.startswith("m is hidden: ")
    assert advice.startswith("export DEEPSEEK_API_KEY=")
    findings = found(tmp_path, {"model": "m", "provider": "deepseek"}, DEEPSEEK_API_KEY="hush")
    assert [level for level, _, _ in findings] == ["OK", "OK"]


def test_missing_key_file_is_a_warning(tmp_path: Path) -> None:
    [_, (level, message, advice)] = found(tmp_path, {**ROW, "api_key_file": "none"})
    assert (level, "does not exist" in message) == ("WARN", True)
    assert "models.json" in advice


def test_broken_row_fails_and_others_are_reported(tmp_path: Path) -> None:
    findings = found(tmp_path, {**ROW, "base_url": "x"}, {**ROW, "model": "n", "enabled": False})
    assert [level for level, _, _ in findings] == ["FAIL", "INFO"]
    assert "models[0]" in findings[0][1]
    assert "switched off" in findings[1][1]


def test_unknown_field_is_info(tmp_path: Path) -> None:
    assert found(tmp_path, {**ROW, "colour": 1})[-1] == (
        "INFO",
        'FILE: models[0] "m": colour: no such field',
        "",
    )


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o660])
def test_keys_readable_by_others_are_a_warning(tmp_path: Path, mode: int) -> None:
    (tmp_path / ".codex-shim").mkdir()
    key = tmp_path / ".codex-shim" / "key"
    key.write_text("hush")
    key.chmod(mode)
    findings = found(
        tmp_path, {**ROW, "api_key": "hush"}, {**ROW, "api_key_file": "key"}, mode=mode
    )
    warned = [message for level, message, _ in findings if level == "WARN"]
    assert len(warned) == (0 if mode == 0o600 else 2)
    assert all("other users can read it" in message for message in warned)
    only_env = found(tmp_path, {**ROW, "api_key_env": "HOME"}, mode=mode)
    assert [level for level, _, _ in only_env] == ["OK", "OK"]


def test_list_shows_rows_and_reasons_of_hidden_ones(tmp_path: Path) -> None:
    found(tmp_path, {**ROW, "name": "Mine"}, {"model": "d", "provider": "deepseek"}, "llama")
    ran = shim(tmp_path, "list")
    assert ran.returncode == 0
    [login, row] = ran.stderr.splitlines()
    assert login.startswith("gpt-5.5 hidden: There is no ChatGPT login")
    assert row.startswith("d hidden: d (deepseek) has no key: ")
    assert [line.split()[0] for line in ran.stdout.splitlines()] == ["m", "llama"]
    assert ran.stdout.splitlines()[1] == "llama  llama  ->  llama (Ollama, http://127.0.0.1:11434)"
    everything = json.loads(shim(tmp_path, "list", "--all", "--json").stdout)
    [reason] = [row["hidden_because"] for row in everything if row["slug"] == "d"]
    assert "DEEPSEEK_API_KEY" in reason


def test_auth_command_is_not_run(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    code = f"open({str(touched)!r}, 'w')"
    row = {**ROW, "auth_command": sys.executable, "auth_args": ["-c", code]}
    assert found(tmp_path, row)[-1][0] == "OK"
    assert shim(tmp_path, "list", "--all").returncode == 0
    assert not touched.exists()


@pytest.mark.parametrize(("rows", "needed"), [(None, False), ([], False), ([ROW], True)])
def test_pydantic_is_imported_only_for_rows(
    tmp_path: Path, rows: list[object] | None, needed: bool
) -> None:
    import subprocess  # noqa: PLC0415

    if rows is not None:
        found(tmp_path, *rows)
    program = START[-1].replace(
        "main()", "\ntry: main()\nfinally: print('pydantic' in sys.modules)"
    )
    ran = subprocess.run(
        [*START[:-1], f"import sys; {program}", "list"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.splitlines()[-1] == str(needed), ran.stderr


def known(home: Path, **state: object) -> None:
    """Write what a running shim knows of Ollama."""
    path = home / "state" / "local-servers.json"
    path.parent.mkdir(exist_ok=True)
    server = {"kind": "ollama", "origin": "http://127.0.0.1:11434", **state}
    path.write_text(json.dumps([server]))


def test_server_that_is_down_is_named_in_doctor_and_list(tmp_path: Path) -> None:
    known(tmp_path, down_since=1_796_000_000.0)
    [_, (level, message, _)] = found(tmp_path, {"model": "m", "provider": "ollama"})
    assert level == "WARN"
    assert message.startswith("m is hidden: Ollama at 127.0.0.1:11434 does not answer since ")
    assert message.endswith(". Start it: ollama serve")

    listed = json.loads(shim(tmp_path, "list", "--all", "--json").stdout)
    [(live, because)] = [
        (row["live"], row["hidden_because"]) for row in listed if row["slug"] == "m"
    ]
    assert (live, because) == (False, message.removeprefix("m is hidden: "))

    known(tmp_path, models=[{"name": "m", "context": 32768}])
    listed = json.loads(shim(tmp_path, "list", "--json").stdout)
    assert [(row["slug"], row["context_window"]) for row in listed] == [("m", 32768)]


def test_too_little_context_and_a_model_without_tools_are_warnings(tmp_path: Path) -> None:
    known(tmp_path, models=[{"name": "m", "context": 4096, "tools": False}])
    [_, ok, tools, context] = found(tmp_path, {"model": "m", "provider": "ollama"})
    assert ok[0] == "OK"
    assert tools[:2] == ("WARN", "m: m calls no tools, so it can change nothing")
    assert context[0] == "WARN"
    assert "gives m 4,096 tokens of context" in context[1]
    assert "OLLAMA_CONTEXT_LENGTH=65536" in context[1]

    known(tmp_path, models=[{"name": "m", "context": 32768}])
    row = {"model": "m", "provider": "ollama", "max_context_limit": 65536}
    [_, _, (level, message, _)] = found(tmp_path, row)
    assert (level, message) == ("INFO", "m: its row states 65,536 tokens, its server gives 32,768")
