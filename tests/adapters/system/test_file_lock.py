"""Mutual exclusion between processes by a lock file."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from addons.adapters.system.file_lock import LockedError, locked


def test_second_holder_is_rejected_and_the_lock_file_is_deleted(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path), pytest.raises(LockedError, match="another codex-shim"), locked(path, 0):
        pass
    assert list(tmp_path.iterdir()) == []
    with locked(path):
        assert path.exists()


def test_leftover_lock_file_does_not_block(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    with locked(tmp_path / "lock", 0):
        pass


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    inside, peak = 0, 0
    guard = threading.Lock()

    def enter(_: int) -> None:
        nonlocal inside, peak
        with locked(tmp_path / "lock"):
            with guard:
                inside += 1
                peak = max(peak, inside)
            os.sched_yield() if hasattr(os, "sched_yield") else None
            with guard:
                inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(enter, range(60)))
    assert peak == 1


@pytest.mark.skipif(os.name != "posix", reason="symlinks")
def test_symlink_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"), locked(tmp_path / "lock", 0):
        pass
    assert not (tmp_path / "elsewhere").exists()
