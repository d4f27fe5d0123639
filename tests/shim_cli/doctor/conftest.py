from __future__ import annotations

from pathlib import Path

import pytest

from tests.shim_cli.run import environment


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine without Codex, login or settings."""
    return environment(tmp_path)
