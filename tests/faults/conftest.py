"""The home folder of every fault test, and the check for leftovers."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.shim import leaves_nothing


@pytest.fixture(scope="module", autouse=True)
def leave_the_heap_out() -> None:
    """Leave what other modules keep out of the collection after each test: it made one take several times as long."""
    gc.collect()
    gc.freeze()


@pytest.fixture
async def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    """Return a home folder. Afterwards nothing of the shim may be left in the process and in the folder."""
    (tmp_path / "tmp").mkdir()
    async with leaves_nothing(tmp_path, monkeypatch):
        yield tmp_path
