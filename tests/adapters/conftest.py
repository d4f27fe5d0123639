"""Fixtures of the adapter tests: a user's folder, its environment, and a backend."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.account_models import Backend, running_backend
from tests.adapters.homes import Home


@pytest.fixture
def backend() -> Iterator[Backend]:
    with running_backend() as running:
        yield running


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {
        "HOME": str(tmp_path),
        "CODEX_SHIM_STATE_DIR": str(tmp_path / "state"),
        "PATH": str(tmp_path / "empty"),
    }


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)
