"""Environment variables of the Cursor routes: accepted values, and what a wrong value falls back to."""

from __future__ import annotations

import pytest

from addons.core.cursor.settings import CursorSettings, cursor_settings


def test_empty_environment_gives_the_defaults() -> None:
    settings = cursor_settings({})
    assert settings == CursorSettings()
    assert (settings.child_mode, settings.child_force) == ("agent", False)


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("CODEX_SHIM_DISABLE_CURSOR", "1", "disabled", True),
        ("CODEX_SHIM_DISABLE_CURSOR", "0", "disabled", False),
        ("CODEX_SHIM_CURSOR_MODE", " Plan ", "mode", "plan"),
        ("CODEX_SHIM_CURSOR_TOOLS", "codex", "tools", "codex"),
        ("CODEX_SHIM_CURSOR_FORCE", "true", "force", True),
        ("CODEX_SHIM_CURSOR_MAX_CONCURRENT", "2", "max_concurrent", 2),
        ("CODEX_SHIM_CURSOR_IDLE_SECONDS", "0.5", "idle_seconds", 0.5),
        ("CODEX_SHIM_CURSOR_MODEL", "auto", "model", "auto"),
        ("CODEX_SHIM_CURSOR_FAST_MODEL", " fast ", "fast_model", "fast"),
        ("CURSOR_AGENT_BIN", "/bin/x", "binary", "/bin/x"),
        ("CODEX_SHIM_CURSOR_WORKSPACE", "/w", "workspace", "/w"),
        ("CODEX_SHIM_CURSOR_MODE", "AGENT", "mode", "agent"),
        ("CODEX_SHIM_CURSOR_MODE", "ask", "mode", "ask"),
        ("CODEX_SHIM_CURSOR_TOOLS", " Cursor ", "tools", "cursor"),
        *(
            ("CODEX_SHIM_CURSOR_FORCE", off, "force", False)
            for off in ("", "0", "False", "no", " off ")
        ),
        ("CODEX_SHIM_CURSOR_ENV", "A_KEY, B_KEY  C", "environment", {"A_KEY", "B_KEY", "C"}),
        ("CODEX_SHIM_CURSOR_MAX_CONCURRENT", "1", "max_concurrent", 1),
        ("CODEX_SHIM_CURSOR_PROMPT_BYTES", "20000", "prompt_bytes", 20_000),
        ("CODEX_SHIM_CURSOR_START_SECONDS", "7", "start_seconds", 7.0),
        ("CODEX_SHIM_CURSOR_TOTAL_SECONDS", "7", "total_seconds", 7.0),
        ("CODEX_SHIM_CURSOR_EXIT_SECONDS", "7", "exit_seconds", 7.0),
        ("CODEX_SHIM_CURSOR_STATUS_SECONDS", " 7 ", "status_seconds", 7.0),
    ],
)
def test_variable_sets_its_field(name: str, value: str, field: str, expected: object) -> None:
    settings = cursor_settings({name: value})
    assert getattr(settings, field) == expected
    assert settings.problems == ()


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("CODEX_SHIM_CURSOR_MODE", "agnet", "mode", "ask"),
        ("CODEX_SHIM_CURSOR_TOOLS", "both", "tools", "codex"),
        ("CODEX_SHIM_CURSOR_MAX_CONCURRENT", "0", "max_concurrent", 4),
        ("CODEX_SHIM_CURSOR_MAX_CONCURRENT", "many", "max_concurrent", 4),
        ("CODEX_SHIM_CURSOR_PROMPT_BYTES", "19999", "prompt_bytes", 600_000),
        ("CODEX_SHIM_CURSOR_EXIT_SECONDS", "0", "exit_seconds", 5.0),
        ("CODEX_SHIM_CURSOR_IDLE_SECONDS", "-1", "idle_seconds", 300.0),
        ("CODEX_SHIM_CURSOR_START_SECONDS", "nan", "start_seconds", 30.0),
        ("CODEX_SHIM_CURSOR_STATUS_SECONDS", "soon", "status_seconds", 30.0),
        ("CODEX_SHIM_CURSOR_FAST_MODEL", "a\tb", "fast_model", "composer-2.5-fast"),
        ("CODEX_SHIM_CURSOR_TOTAL_SECONDS", "inf", "total_seconds", 3600.0),
        ("CODEX_SHIM_CURSOR_MODEL", "--force", "model", "composer-2.5"),
    ],
)
def test_wrong_value_is_reported_and_never_grants_more(
    name: str, value: str, field: str, expected: object
) -> None:
    settings = cursor_settings({name: value})
    assert getattr(settings, field) == expected
    [problem] = settings.problems
    assert problem.startswith(f"{name}: {value!r}")
