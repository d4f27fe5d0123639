from __future__ import annotations

from pathlib import Path

import pytest

from shim_cli.console.errors import CliError
from shim_cli.state.sources import (
    open_sources,
    open_sources_with_warnings,
    refresh_cursor_login,
)
from tests.shim_cli.run import environment


def test_missing_settings_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"none\.json does not exist or is not a file"):
        open_sources(environment(tmp_path), tmp_path / "none.json")


def test_invalid_variable_is_an_error(tmp_path: Path) -> None:
    env = environment(tmp_path, {"CODEX_SHIM_CHATGPT_BASE_URL": "chatgpt.com"})
    with pytest.raises(CliError, match="CODEX_SHIM_CHATGPT_BASE_URL"):
        open_sources(env, None)


def test_problems_of_the_settings_go_to_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / "models.json"
    settings.write_text('{"aliases": 3}')
    sources = open_sources_with_warnings(environment(tmp_path), settings)
    assert [route.slug for route in sources.table().live] == ["shim-demo"]
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith(f"codex-shim: {settings}: ")
    assert "aliases" in errors


def test_fresh_cursor_status_is_not_refreshed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = open_sources(environment(tmp_path), None)
    calls: list[str] = []

    async def refresh() -> None:
        calls.append("refresh")

    monkeypatch.setattr(sources.cursor.agent, "refresh", refresh)
    for is_fresh in (True, False):
        monkeypatch.setattr(type(sources.cursor.agent), "is_fresh", is_fresh)
        refresh_cursor_login(sources)
    assert calls == ["refresh"]
