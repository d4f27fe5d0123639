"""The search for the cursor-agent program."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from addons.adapters.cursor.binary import find_binary
from tests.fakes.cursor import FakeCursor

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Cursor models need WSL there")


def test_cursor_agent_wins_over_agent(tmp_path: Path) -> None:
    first, second = FakeCursor(tmp_path / "1"), FakeCursor(tmp_path / "2")
    first.install("agent")
    binary = second.install("cursor-agent")
    path = f"{first.bin}{os.pathsep}{os.pathsep}{second.bin}"
    assert find_binary({"PATH": path}) == str(binary)
    assert find_binary({"PATH": path, "CURSOR_AGENT_BIN": "agent"}) == str(first.bin / "agent")
    assert find_binary({}) == ""


def test_named_binary_is_the_only_candidate(tmp_path: Path) -> None:
    fake = FakeCursor(tmp_path)
    fake.install()
    assert find_binary({"PATH": fake.path, "CURSOR_AGENT_BIN": str(tmp_path / "gone")}) == ""
    assert find_binary({"PATH": fake.path, "CURSOR_AGENT_BIN": "no-such-name"}) == ""


def test_only_an_executable_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "cursor-agent").mkdir()
    assert find_binary({"PATH": str(tmp_path)}) == ""
    (tmp_path / "cursor-agent").rmdir()
    binary = tmp_path / "cursor-agent"
    binary.touch(0o644)
    assert find_binary({"PATH": str(tmp_path)}) == ""
    binary.chmod(0o755)
    assert find_binary({"PATH": str(tmp_path)}) == str(binary)


def test_path_is_absolute_and_keeps_its_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = FakeCursor(tmp_path / "versions").install("2026.08")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "cursor-agent").symlink_to(target)
    monkeypatch.chdir(tmp_path)
    assert find_binary({"PATH": "bin"}) == str(tmp_path / "bin" / "cursor-agent")
