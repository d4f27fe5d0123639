from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from addons.origins.file_lock import LockedError, locked


def test_a_second_one_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path), pytest.raises(LockedError, match="another codex-shim"), locked(path, 0):
        pass
    assert list(tmp_path.iterdir()) == []
    with locked(path):
        assert path.exists()


def test_a_lock_file_that_a_crash_left_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    with locked(tmp_path / "lock", 0):
        pass


def test_only_one_at_a_time_is_inside(tmp_path: Path) -> None:
    inside, most = 0, 0
    guard = threading.Lock()

    def enter(_: int) -> None:
        nonlocal inside, most
        with locked(tmp_path / "lock"):
            with guard:
                inside += 1
                most = max(most, inside)
            os.sched_yield() if hasattr(os, "sched_yield") else None
            with guard:
                inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(enter, range(60)))
    assert most == 1


@pytest.mark.skipif(os.name != "posix", reason="symlinks")
def test_a_symlink_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"), locked(tmp_path / "lock", 0):
        pass
    assert not (tmp_path / "elsewhere").exists()
