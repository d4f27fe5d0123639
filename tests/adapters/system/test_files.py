"""Cached reads and atomic writes of small files."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from addons.adapters.system.files import RACY_NS, CachedFile, FileAccessError, write_atomic

OLD, NEW = b"old" * 4000, b"new" * 5000
posix = pytest.mark.skipif(os.name == "nt", reason="POSIX file modes and names")


def age(path: Path) -> None:
    """Make the file old enough to be cached."""
    changed = path.stat().st_mtime_ns - 2 * RACY_NS
    os.utime(path, ns=(changed, changed))


def written(path: Path, data: bytes) -> CachedFile:
    path.write_bytes(data)
    age(path)
    return CachedFile(path)


def test_missing_file_is_none_until_it_appears(tmp_path: Path) -> None:
    path = tmp_path / "f"
    file = CachedFile(path)
    assert file.read() is None
    path.write_bytes(b"x")
    assert file.read() == b"x"
    path.unlink()
    assert file.read() is None


def test_unchanged_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path / "f", b"x")
    first = file.read()
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("read again"))
    assert file.read() is first


def test_changed_file_is_read_again(tmp_path: Path) -> None:
    file = written(tmp_path / "f", b"one")
    assert file.read() == b"one"
    file.path.write_bytes(b"two")
    assert file.read() == b"two"


def test_replaced_file_with_the_same_time_and_size_is_read_again(tmp_path: Path) -> None:
    file = written(tmp_path / "f", b"one")
    assert file.read() == b"one"
    changed = file.path.stat().st_mtime_ns
    other = tmp_path / "g"
    other.write_bytes(b"two")
    os.utime(other, ns=(changed, changed))
    other.replace(file.path)
    assert file.read() == b"two"


def test_recently_changed_file_is_not_cached(tmp_path: Path) -> None:
    path = tmp_path / "f"
    file = CachedFile(path)
    path.write_bytes(b"one")
    changed = path.stat().st_mtime_ns
    assert file.read() == b"one"
    path.write_bytes(b"two")
    os.utime(path, ns=(changed, changed))
    assert file.read() == b"two"


def test_forget_drops_the_cache(tmp_path: Path) -> None:
    file = written(tmp_path / "f", b"one")
    mark = file.path.stat()
    assert file.read() == b"one"
    file.path.write_bytes(b"two")
    os.utime(file.path, ns=(mark.st_atime_ns, mark.st_mtime_ns))
    assert file.read() == b"one", "same time, size and inode: the change is not visible"
    file.forget()
    assert file.read() == b"two"


def test_folder_is_an_error_with_path_and_reason(tmp_path: Path) -> None:
    with pytest.raises(FileAccessError) as caught:
        CachedFile(tmp_path).read()
    assert caught.value.path == tmp_path
    assert caught.value.reason
    assert str(tmp_path) in str(caught.value)


@posix
def test_named_pipe_does_not_block(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(FileAccessError, match="not a regular file"):
        CachedFile(path).read()


def test_error_without_a_message_is_named_by_its_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise PermissionError

    path = tmp_path / "f"
    path.write_bytes(OLD)
    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(FileAccessError, match="PermissionError"):
        CachedFile(path).read()


@posix
def test_new_file_and_its_new_folders_are_private(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "f"
    write_atomic(path, NEW)
    assert path.read_bytes() == NEW
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (path.parent, path.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@posix
def test_mode_does_not_depend_on_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(OLD)
    before = os.umask(0o077)
    try:
        write_atomic(path, NEW, mode=0o644)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@posix
@pytest.mark.parametrize("dangling", [False, True])
def test_symlink_stays_and_its_target_is_written(tmp_path: Path, dangling: bool) -> None:
    target, link = tmp_path / "dotfiles" / "f", tmp_path / "f"
    target.parent.mkdir()
    if not dangling:
        target.write_bytes(OLD)
    link.symlink_to(target)
    write_atomic(link, NEW)
    assert link.is_symlink()
    assert target.read_bytes() == NEW
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(
    "step", ["os.open", "os.fsync", "pathlib.Path.chmod", "pathlib.Path.replace"]
)
def test_failed_write_changes_nothing_and_leaves_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "f"
    path.write_bytes(OLD)
    monkeypatch.setattr(step, fail)
    with pytest.raises(FileAccessError, match="No space left") as caught:
        write_atomic(path, NEW)
    monkeypatch.undo()
    assert caught.value.path == path
    assert path.read_bytes() == OLD
    assert list(tmp_path.iterdir()) == [path]


CRASH = """
import os, pathlib, sys
from addons.adapters.system import files
step, path = sys.argv[1], pathlib.Path(sys.argv[2])
owner, name = {"write": (files, "_write_new"), "fsync": (os, "fsync"), "chmod": (pathlib.Path, "chmod"),
    "replace": (pathlib.Path, "replace"), "folder": (files, "_sync_folder")}[step]
def crash(*_):
    os._exit(9)
setattr(owner, name, crash)
files.write_atomic(path, b"new" * 5000)
"""


@pytest.mark.parametrize("step", ["write", "fsync", "chmod", "replace", "folder"])
def test_crash_at_any_step_leaves_the_old_or_the_new_content(tmp_path: Path, step: str) -> None:
    path = tmp_path / "f"
    path.write_bytes(OLD)
    child = subprocess.run([sys.executable, "-c", CRASH, step, str(path)], check=False)
    assert child.returncode == 9
    assert path.read_bytes() == (NEW if step == "folder" else OLD)


def test_concurrent_reader_sees_the_old_or_the_new_content(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_atomic(path, OLD)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            write_atomic(path, NEW)
            write_atomic(path, OLD)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        file = CachedFile(path)
        seen = {file.read() for _ in range(300)}
    finally:
        stop.set()
        writer.join()
    assert seen <= {OLD, NEW}


@pytest.mark.skipif(os.name != "posix", reason="owners")
def test_file_without_its_owner_loses_group_access(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[int, int]] = []

    def refuse(_: object, uid: int, gid: int) -> None:
        given.append((uid, gid))
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr("addons.adapters.system.files.os.chown", refuse)
    write_atomic(tmp_path / "mine", b"x", 0o664, (os.getuid(), os.getgid()))
    assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o664
    write_atomic(tmp_path / "theirs", b"x", 0o664, (os.getuid(), os.getgid() + 1))
    assert (tmp_path / "theirs").stat().st_mode & 0o777 == 0o600
    assert given == [(os.getuid(), os.getgid() + 1)]
