"""The report files other than the turn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from addons.views.masking import Masker
from shim_cli.report.sections import (
    MAX_ACCESS_LINES,
    Scrubber,
    access_lines,
    report_files,
    versions,
)
from tests.adapters.fake_codex import FakeCodex
from tests.shim_cli.run import environment

MASKER = Masker(b"0" * 16)


def files(home: Path, settings: Path | None = None, *secrets: str) -> dict[str, bytes]:
    return report_files(environment(home), 9, settings, MASKER, secrets)


def test_missing_files_are_left_out(tmp_path: Path) -> None:
    assert list(files(tmp_path)) == ["doctor.txt", "versions.json"]


def test_home_folder_and_secrets_are_replaced(tmp_path: Path) -> None:
    scrub = Scrubber({"HOME": str(tmp_path)}, ["hunter2pass"])
    assert scrub.text(f"{tmp_path}/.codex") == b"~/.codex"
    assert b"hunter2pass" not in scrub.text("the key is hunter2pass")
    assert Scrubber({"HOME": "/"}, []).text("/etc/hosts") == b"/etc/hosts"


def test_doctor_output_has_no_home_folder(tmp_path: Path) -> None:
    text = files(tmp_path)["doctor.txt"].decode()
    assert "Codex CLI\n  WARN" in text
    assert str(tmp_path) not in text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"models": [{"api_key": "sk-hush"}]}', {"models": [{"api_key"}]}),
        ("{", "models.json is not JSON"),
        ('\ufeff{"models": [{"api_key": "sk-hush"}]}', {"models": [{"api_key"}]}),
    ],
)
def test_settings_are_masked(tmp_path: Path, content: str, expected: object) -> None:
    settings = tmp_path / "models.json"
    settings.write_text(content)
    data = files(tmp_path, settings)["settings.json"]
    assert b"hush" not in data
    value = json.loads(data)
    if isinstance(value, dict):
        value = {"models": [set(row) for row in value["models"]]}
    assert value == expected


def test_only_the_newest_access_lines_are_included(tmp_path: Path) -> None:
    log = tmp_path / "access.jsonl"
    lines = [f'{{"n": {number}}}' for number in range(MAX_ACCESS_LINES + 5)]
    log.write_text("\n".join(["not json", *lines, "cut"]))
    assert access_lines(log) == lines[5:]
    assert access_lines(tmp_path / "none") == []


def test_version_of_codex_is_included(tmp_path: Path) -> None:
    def codex(binary: str) -> object:
        return versions(environment(tmp_path, {"CODEX_BIN": binary}))["codex"]

    assert codex("") == "not found"
    assert codex(str(FakeCodex(tmp_path).binary)) == "0.169.0"
    assert codex(str(FakeCodex(tmp_path, behaviour="broken").binary)) == "version unknown"


def test_price_of_a_row_stays(tmp_path: Path) -> None:
    settings = tmp_path / "models.json"
    settings.write_text('{"models": [{"model": "m", "price": {"input": 0.27, "output": 1.1}}]}')
    [row] = json.loads(files(tmp_path, settings)["settings.json"])["models"]
    assert row["price"] == {"input": 0.27, "output": 1.1}


def test_known_provider_of_a_row_stays(tmp_path: Path) -> None:
    settings = tmp_path / "models.json"
    rows = [
        {"model": "m", "provider": word}
        for word in ("deepseek", "Generic-Chat-Completion-API", "private")
    ]
    settings.write_text(json.dumps({"models": rows}))
    found = json.loads(files(tmp_path, settings)["settings.json"])["models"]
    assert [row["provider"] for row in found][:2] == ["deepseek", "Generic-Chat-Completion-API"]
    assert "private" not in json.dumps(found)
