"""Around every cell of the matrix: what this process holds before and after."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.stage import leaves_nothing


@pytest.fixture
async def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    """A user's home. Afterwards nothing of the shim may be left, in this process and in the folder."""
    (tmp_path / "tmp").mkdir()
    async with leaves_nothing(tmp_path, monkeypatch):
        yield tmp_path
