from __future__ import annotations

from pathlib import Path

from tests.shim_cli.commands.test_completion import complete
from tests.shim_cli.run import shim


def test_model_option_is_completed(tmp_path: Path) -> None:
    shim(tmp_path, "list")

    assert complete(tmp_path, "codex-shim enable --model sh").split() == ["shim-demo"]
