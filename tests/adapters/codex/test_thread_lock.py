"""Codex's lock of a thread is taken, respected and left as Codex leaves it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from addons.adapters.codex import thread_lock
from addons.adapters.codex.thread_lock import open_rollouts, writer_lock

pytestmark = pytest.mark.skipif(os.name != "posix", reason="flock")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "thread-writer-locks"
    path.mkdir()
    return path


def env(folder: Path) -> dict[str, str]:
    return {"CODEX_HOME": str(folder.parent)}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_lock_is_exclusive_and_its_file_is_deleted(folder: Path) -> None:
    with writer_lock(env(folder), "a") as first, writer_lock(env(folder), "b") as other:
        assert first
        assert other
        with writer_lock(env(folder), "a") as second:
            assert not second
        assert names(folder) == [".coordination.lock", "a.lock", "b.lock"]
    assert names(folder) == [".coordination.lock"]
    with writer_lock(env(folder), "a") as again:
        assert again


def test_codex_without_locks_is_not_given_a_folder(tmp_path: Path) -> None:
    with writer_lock({"CODEX_HOME": str(tmp_path)}, "a") as is_held:
        assert is_held
    assert list(tmp_path.iterdir()) == []


def test_wait_for_the_coordination_lock_is_limited(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thread_lock, "WAIT_SECONDS", 0.05)
    import fcntl  # noqa: PLC0415  posix only

    with (folder / ".coordination.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(TimeoutError), writer_lock(env(folder), "a"):
            pass


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_open_rollout_of_another_process_is_found(tmp_path: Path) -> None:
    path = tmp_path / "rollout-x.jsonl"
    path.touch()
    with path.open("ab"):
        # one's own descriptors do not count
        assert path not in open_rollouts()
    code = f"f = open({str(path)!r}, 'ab'); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout
        assert child.stdin
        child.stdout.readline()
        assert path in open_rollouts()
        child.stdin.write(b"\n")
        child.stdin.close()
    assert path not in open_rollouts()
