"""Settings that differ between two versions of config.toml."""

from __future__ import annotations

import pytest

from addons.core.codex.config_changes import changed_settings


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        ("", "", []),
        ('model = "a"\n', '# a comment\nmodel   = "a"\n', []),
        ('model = "a"\n', 'model = "b"\n', ["model"]),
        ('model = "a"\n', "", ["model"]),
        ("", 'model_reasoning_effort = "low"\n', ["model_reasoning_effort"]),
        ("[tui]\na = 1\nb = 2\n", "[tui]\na = 1\nb = 3\n", ["tui.b"]),
        ("", '[projects."/home/me"]\ntrust_level = "trusted"\n', ["projects"]),
        (
            "[projects]\n",
            '[projects."/home/me"]\ntrust_level = "trusted"\n',
            ['projects."/home/me"'],
        ),
        ("a = 1\n", "[a]\nb = 1\n", ["a"]),
        ("a = [1, 2]\n", "a = [2, 1]\n", ["a"]),
        ("a = 1\n", "a = = 1\n", []),
        ("a = nan\nb = [nan]\n", "b = [nan]\na = nan\n", []),
        ("a = 1\nb = [1]\n", "a = true\nb = [true]\n", ["a", "b"]),
        ("a = 1\n", "a = 1.0\n", ["a"]),
        ("a = [{ b = 1, c = 2 }]\n", "a = [{ c = 2, b = 1 }]\n", []),
        ("a = 2026-11-30\n", "a = 2026-11-30\n", []),
        ("a = 2026-11-30\n", "a = 2026-12-01\n", ["a"]),
        ("", '"\\u001b[2J\\u202Eé\\u007f" = 1\n', ['"\\u001b[2J\\u202e\\u00e9\\u007f"']),
    ],
)
def test_names_of_changed_settings(before: str, after: str, names: list[str]) -> None:
    assert changed_settings(before, after) == names


def test_values_are_not_named() -> None:
    assert "hush" not in str(changed_settings('key = "hush"\n', 'key = "hush2"\n'))
