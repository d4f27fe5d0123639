"""Unknown paths: one warning each, bounded, printable."""

from __future__ import annotations

from addons.core.server.unknown_paths import MAX_PATHS, UnknownPaths


def test_each_path_is_warned_of_once() -> None:
    paths = UnknownPaths()
    warning = paths.add("POST /alpha/sing")
    assert "POST /alpha/sing" in warning
    assert "Update codex-shim" in warning
    assert paths.add("POST /alpha/sing") == ""
    assert paths.add("GET /alpha/sing") != ""
    assert [warning in problem for problem in paths.problems] == [True, False]


def test_number_and_length_are_bounded() -> None:
    paths = UnknownPaths()
    warnings = [paths.add(f"GET /{number}" + "x" * 5000) for number in range(MAX_PATHS + 5)]
    assert [bool(warning) for warning in warnings] == [True] * MAX_PATHS + [False] * 5
    assert len(paths.problems) == MAX_PATHS
    assert all(len(problem) < 300 for problem in paths.problems)


def test_control_characters_are_not_printed() -> None:
    assert UnknownPaths().add("GET /\x1b[2J\n").isprintable()
