from __future__ import annotations

from pathlib import Path

from tests.shim_cli.commands.test_completion import complete


def test_values_of_options_are_completed(tmp_path: Path) -> None:
    assert complete(tmp_path, "codex-shim usage --by t").split() == ["thread", "turn"]
    assert complete(tmp_path, "codex-shim doctor m").split() == ["models"]
