from __future__ import annotations

from shim_cli.console.quota import quota_lines


def test_malformed_quota_is_ignored() -> None:
    assert quota_lines("x", 0) == []
    assert quota_lines({"a": 3, "b": [1, {"used_percent": "x"}, {"used_percent": True}]}, 0) == []
    (line,) = quota_lines({"a\x1b": [{"name": "n", "used_percent": 5.0, "resets_at": 1}]}, 2)
    assert line.split() == ["quota", "a?", "n:", "5", "%", "used,", "has", "reset", "since"]


def test_each_window_is_one_line() -> None:
    windows = [
        {"name": "primary", "used_percent": 42.5, "minutes": 300, "resets_at": 4330},
        {"name": "secondary", "used_percent": 7},
    ]
    assert quota_lines({"chatgpt": windows}, 100) == [
        "  quota chatgpt        primary: 42.5 % used of 5 h, resets in 1 h 10 min",
        "  quota chatgpt        secondary: 7 % used",
    ]
