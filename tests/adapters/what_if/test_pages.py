"""Pages of comparisons in the state folder."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from addons.adapters.what_if import pages
from addons.adapters.what_if.pages import page_path, write_page


def test_page_is_private_and_named_by_time_and_turn(tmp_path: Path) -> None:
    env = {"CODEX_SHIM_STATE_DIR": str(tmp_path / "state")}
    path = page_path(env, "../x/0123456789abcdef")
    assert path.parent == tmp_path / "state" / "what-if"
    assert path.name.endswith("-x0123456.html")
    write_page(path, "<p>\N{SNOWMAN}")
    assert path.read_text(encoding="utf-8") == "<p>\N{SNOWMAN}"
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_oldest_pages_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_PAGES", 2)
    for number in range(4):
        write_page(tmp_path / f"2026{number}.html", "")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["20262.html", "20263.html"]
