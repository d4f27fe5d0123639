from __future__ import annotations

from pathlib import Path

import pytest

from shim_cli.console.shells import shell_for
from tests.shim_cli.doctor.findings import put, section_findings, section_messages


def test_valid_settings_are_ok(env: dict[str, str], tmp_path: Path) -> None:
    path = put(tmp_path / ".codex-shim" / "models.json", "[]")

    assert section_messages(env, "Settings") == [("OK", str(path))]


def test_invalid_setting_fails_with_its_name(env: dict[str, str], tmp_path: Path) -> None:
    path = put(tmp_path / "mine.json", '{"chatgpt":{"credential":"mine"}}')

    [(level, message)] = section_messages(env, "Settings", path)

    assert level == "FAIL"
    assert message.startswith(f"{path}: chatgpt.credential:")


def test_named_settings_must_exist(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "none.json"

    assert section_messages(env, "Settings", path) == [
        ("FAIL", f"{path} does not exist, but --settings or CODEX_SHIM_SETTINGS names it")
    ]


def test_settings_path_that_is_a_folder_fails(env: dict[str, str], tmp_path: Path) -> None:
    [(level, message)] = section_messages(env, "Settings", tmp_path)

    assert level == "FAIL"
    assert str(tmp_path) in message


@pytest.mark.parametrize("content", [None, "[]"])
def test_wrong_variable_is_to_be_unset(
    env: dict[str, str], tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        put(tmp_path / ".codex-shim" / "models.json", content)
    env["CODEX_SHIM_STALL_SECONDS"] = "soon"

    found = section_findings(env, "Settings")

    assert found[0].level == "FAIL"
    assert found[0].message.startswith("CODEX_SHIM_STALL_SECONDS: 'soon'")
    assert found[0].advice == shell_for().unset("CODEX_SHIM_STALL_SECONDS")
