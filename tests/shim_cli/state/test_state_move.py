"""The one-time move of the state folder of an older version."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from addons.adapters.system.paths import old_state_dir, state_dir, token_file
from shim_cli.state.processes import start_mark
from shim_cli.state.state_move import DUPLICATES, move_old_state
from tests.shim_cli.run import shim

FILES = {
    "token": b"t0ken\n",
    "wiring.json": b"{}",
    "usage.sqlite": b"pages",
    "usage.sqlite-wal": b"more pages",
    "config-backups/1.toml": b'model = "x"\n',
}

links = pytest.mark.skipif(os.name == "nt", reason="Windows lets only administrators make symlinks")


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "XDG_STATE_HOME": "", "LOCALAPPDATA": ""}


@pytest.fixture
def old(env: dict[str, str]) -> Path:
    folder = old_state_dir(env)
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def _content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".move.lock"
    }


def _record(folder: Path, pid: int, mark: str) -> None:
    state = {"pid": pid, "port": 8765, "start_mark": mark, "drain_seconds": 1.0, "version": "0.1.0", "detached": True}  # fmt: skip
    (folder / "run").mkdir()
    (folder / "run" / "8765.json").write_text(json.dumps(state))


def test_every_file_is_moved_beside_the_settings(
    env: dict[str, str], old: Path, tmp_path: Path
) -> None:
    new = tmp_path / ".codex-shim"
    new.mkdir()
    (new / "models.json").write_bytes(b'{"models": []}')

    message = move_old_state(env)

    assert str(old) in message
    assert str(new) in message
    assert _content(new) == {**FILES, "models.json": b'{"models": []}'}
    assert not old.exists()
    assert list(old.parent.iterdir()) == []
    assert state_dir(env) == new


def test_nothing_is_told_without_an_old_folder(env: dict[str, str], tmp_path: Path) -> None:
    assert not move_old_state(env)
    assert state_dir(env) == tmp_path / ".codex-shim"
    assert not state_dir(env).exists()


def test_a_named_state_folder_is_left_alone(env: dict[str, str], old: Path) -> None:
    env["CODEX_SHIM_STATE_DIR"] = str(old)

    assert not move_old_state(env)
    assert _content(old) == FILES


def test_a_running_shim_keeps_its_folder_until_it_stops(env: dict[str, str], old: Path) -> None:
    _record(old, os.getpid(), start_mark(os.getpid()))

    assert not move_old_state(env)
    assert token_file(env) == old / "token"

    (old / "run" / "8765.json").unlink()
    assert move_old_state(env)
    assert token_file(env).read_bytes() == FILES["token"]


def test_a_record_of_a_dead_shim_does_not_stop_the_move(env: dict[str, str], old: Path) -> None:
    _record(old, os.getpid(), "another process with this pid")

    assert move_old_state(env)
    assert not old.exists()


def test_a_file_that_is_there_already_is_kept_and_so_is_the_old_one(
    env: dict[str, str], old: Path, tmp_path: Path
) -> None:
    new = tmp_path / ".codex-shim"
    (new / DUPLICATES).mkdir(parents=True)
    (new / "token").write_bytes(b"new\n")
    (new / DUPLICATES / "token").write_bytes(b"older\n")

    move_old_state(env)

    assert not old.exists()
    content = _content(new)
    assert content["token"] == b"new\n"
    assert content[f"{DUPLICATES}/token"] == b"older\n"
    assert content[f"{DUPLICATES}/token.1"] == FILES["token"]


@pytest.mark.usefixtures("old")
@pytest.mark.parametrize("name", ["usage.sqlite", "usage.sqlite-wal", "usage.sqlite-shm"])
def test_a_database_is_never_separated_from_its_log(
    env: dict[str, str], tmp_path: Path, name: str
) -> None:
    new = tmp_path / ".codex-shim"
    (new / DUPLICATES).mkdir(parents=True)
    (new / name).write_bytes(b"new")
    (new / DUPLICATES / "usage.sqlite-journal").write_bytes(b"older")

    move_old_state(env)

    content = _content(new)
    assert {each: content[each] for each in content if each.startswith("usage")} == {name: b"new"}
    assert content[f"{DUPLICATES}/usage.sqlite.1"] == FILES["usage.sqlite"]
    assert content[f"{DUPLICATES}/usage.sqlite.1-wal"] == FILES["usage.sqlite-wal"]


@pytest.mark.usefixtures("old")
@pytest.mark.parametrize("crosses_disks", [False, True])
@pytest.mark.parametrize("crash_at", range(2 * (len(FILES) + 4)))
def test_a_crash_keeps_a_second_database_with_its_log(
    env: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    crash_at: int,
    crosses_disks: bool,
) -> None:
    new = tmp_path / ".codex-shim"
    new.mkdir()
    (new / "usage.sqlite").write_bytes(b"new")
    with monkeypatch.context() as patch:
        _crashing_calls(patch, crash_at, crosses_disks=crosses_disks)
        with contextlib.suppress(KeyboardInterrupt):
            move_old_state(env)

    move_old_state(env)

    content = _content(new)
    pairs = [
        name
        for name, data in content.items()
        if data == FILES["usage.sqlite"] and content.get(f"{name}-wal") == FILES["usage.sqlite-wal"]
    ]
    assert pairs
    assert all(name.startswith(DUPLICATES) for name in pairs)
    assert content["usage.sqlite"] == b"new"
    assert "usage.sqlite-wal" not in content


@links
@pytest.mark.parametrize("link_is_old", [True, False])
def test_one_folder_with_two_names_is_no_old_state(
    env: dict[str, str], old: Path, tmp_path: Path, link_is_old: bool
) -> None:
    new = tmp_path / ".codex-shim"
    if link_is_old:
        old.rename(new)
        old.symlink_to(new)
    else:
        new.symlink_to(old)

    assert not move_old_state(env)

    assert state_dir(env) == new
    assert _content(new) == FILES
    assert old.is_dir()


@links
def test_an_old_folder_that_is_a_symlink_is_emptied_and_unlinked(
    env: dict[str, str], old: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "disk" / "state"
    elsewhere.parent.mkdir()
    old.rename(elsewhere)
    old.symlink_to(elsewhere)

    assert "Moved" in move_old_state(env)

    assert _content(tmp_path / ".codex-shim") == FILES
    assert list(elsewhere.iterdir()) == list(old.parent.iterdir()) == []


@links
@pytest.mark.parametrize("target", ["nowhere", ".codex-shim"])
def test_a_new_folder_that_is_unusable_moves_nothing(
    env: dict[str, str], old: Path, tmp_path: Path, target: str
) -> None:
    (tmp_path / ".codex-shim").symlink_to(tmp_path / target)

    assert "could not be moved" in move_old_state(env)

    assert _content(old) == FILES
    assert state_dir(env) == old


@links
def test_a_new_folder_inside_the_old_one_moves_nothing(
    env: dict[str, str], old: Path, tmp_path: Path
) -> None:
    (old / "inner").mkdir()
    (tmp_path / ".codex-shim").symlink_to(old / "inner")

    assert "is inside it" in move_old_state(env)

    assert _content(old) == FILES
    assert state_dir(env) == old


@links
def test_a_symlink_stays_one_on_another_disk(
    env: dict[str, str], old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "backups"
    (old / "config-backups").rename(elsewhere)
    (old / "config-backups").symlink_to(elsewhere)
    new = tmp_path / ".codex-shim"
    new.mkdir()
    (new / ".config-backups.moving").symlink_to("left by a crash")
    _crashing_calls(monkeypatch, -1, crosses_disks=True)

    assert "Moved" in move_old_state(env)

    assert (new / "config-backups").readlink() == elsewhere
    assert [path.name for path in elsewhere.iterdir()] == ["1.toml"]
    assert not (new / DUPLICATES).exists()


@pytest.mark.parametrize("crash_at", range(2 * (len(FILES) + 4)))
@pytest.mark.parametrize("crosses_disks", [False, True])
def test_a_crash_at_any_rename_loses_nothing(
    env: dict[str, str],
    old: Path,
    monkeypatch: pytest.MonkeyPatch,
    crash_at: int,
    crosses_disks: bool,
) -> None:
    calls = _crashing_calls(monkeypatch, crash_at, crosses_disks=crosses_disks)
    try:
        move_old_state(env)
    except KeyboardInterrupt:
        assert calls() == crash_at
    monkeypatch.undo()
    _crashing_calls(monkeypatch, -1, crosses_disks=crosses_disks)

    move_old_state(env)

    kept = _content(state_dir(env))
    assert kept.items() >= FILES.items()
    assert all(FILES[name.removeprefix(f"{DUPLICATES}/")] == data for name, data in kept.items())
    assert not old.exists()


def _crashing_calls(
    monkeypatch: pytest.MonkeyPatch, crash_at: int, *, crosses_disks: bool
) -> Callable[[], int]:
    """Make the call with this number die, counting renames, replaces and removals. -1 dies nowhere."""
    count = -1  # The number of the last call.

    def counted(original: Callable[..., object], failure: OSError | None) -> Callable[..., object]:
        def call(*args: object, **options: object) -> object:
            nonlocal count
            count += 1
            if count == crash_at:
                raise KeyboardInterrupt
            if failure and ".moving" in str(args[0]):
                raise failure
            return original(*args, **options)

        return call

    other_disk = OSError(errno.EXDEV, "Invalid cross-device link") if crosses_disks else None
    monkeypatch.setattr(Path, "rename", counted(Path.rename, other_disk))
    monkeypatch.setattr(Path, "replace", counted(Path.replace, None))
    monkeypatch.setattr(shutil, "rmtree", counted(shutil.rmtree, None))
    return lambda: count


def test_the_cli_says_that_it_moved_the_state(
    env: dict[str, str], old: Path, tmp_path: Path
) -> None:
    env["CODEX_SHIM_STATE_DIR"] = ""

    first = shim(tmp_path, "status", env=env)
    second = shim(tmp_path, "status", env=env)

    assert f"Moved the state of codex-shim from {old} to " in first.stderr
    assert "Moved" not in second.stderr
    assert (tmp_path / ".codex-shim" / "token").read_bytes() == FILES["token"]


def test_the_cli_says_why_the_state_was_not_moved(
    env: dict[str, str], old: Path, tmp_path: Path
) -> None:
    env["CODEX_SHIM_STATE_DIR"] = ""
    (tmp_path / ".codex-shim").write_text("a file in the place of the folder")

    result = shim(tmp_path, "status", env=env)

    assert f"The state in {old} could not be moved" in result.stderr
    assert "Traceback" not in result.stderr
    assert _content(old) == FILES
