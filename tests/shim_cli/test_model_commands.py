from __future__ import annotations

from pathlib import Path

from tests.shim_cli.run import shim


def test_try_has_a_help_text_with_examples(tmp_path: Path) -> None:
    shown = shim(tmp_path, "try", "--help").stdout

    assert "What to ask." in shown
    assert "codex-shim try --json" in shown
