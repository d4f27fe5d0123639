from __future__ import annotations

from pathlib import Path

import pytest

from shim_cli.doctor.codex import NEWEST, OLDEST
from tests.adapters.fake_codex import FakeCodex
from tests.e2e import installation
from tests.shim_cli.doctor.findings import section_messages


def test_installed_codex_is_reported(env: dict[str, str], tmp_path: Path) -> None:
    fake = FakeCodex(tmp_path)
    env |= {"CODEX_BIN": str(fake.binary)}

    assert section_messages(env, "Codex CLI") == [
        ("OK", f"Codex 0.169.0 at {fake.binary} (tested with 0.133.0 to 0.171.0)")
    ]


@pytest.mark.parametrize(
    ("version", "level", "expected"),
    [
        ("0.133.0", "OK", "tested with"),
        ("0.132.9", "WARN", "older than 0.133.0"),
        ("0.172.0-alpha.1", "INFO", "newer than 0.171.0"),
    ],
)
def test_untested_codex_version_is_reported(
    env: dict[str, str], tmp_path: Path, version: str, level: str, expected: str
) -> None:
    env |= {"CODEX_BIN": str(FakeCodex(tmp_path, version=version).binary)}

    [(shown, message)] = section_messages(env, "Codex CLI")

    assert (shown, expected in message) == (level, True)


def test_tested_range_matches_the_end_to_end_tests() -> None:
    assert (OLDEST, NEWEST) == (installation.OLDEST, installation.VERSION)


def test_codex_without_a_version_is_a_warning(env: dict[str, str], tmp_path: Path) -> None:
    env |= {"CODEX_BIN": str(FakeCodex(tmp_path, behaviour="broken").binary)}

    [(level, message)] = section_messages(env, "Codex CLI")

    assert (level, "printed no version" in message) == ("WARN", True)
