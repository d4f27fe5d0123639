from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.run import environment


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A machine on which nothing is installed, logged in or configured."""
    return environment(tmp_path)
