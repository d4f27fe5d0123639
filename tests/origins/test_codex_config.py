"""The user's config.toml on a real disk: nothing of it is lost, whatever happens in between."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from addons.core.codex_block import wire
from addons.core.codex_provider import Values, config_of, token_in_file
from addons.origins import codex_config
from addons.origins.codex_config import CodexConfig, ConfigError
from addons.origins.files import FileAccessError

posix = pytest.mark.skipif(os.name != "posix", reason="modes and symlinks")
not_root = pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may all")
OWN = b'\xef\xbb\xbf# mine\r\nmodel = "o3"\r\n\r\n[tui]\r\nx = 1'


def config(slug: str = "gpt-5.5") -> Values:
    return config_of(slug, 8765, "/state/catalog.json", token_in_file("t0ken"))


class User:
    def __init__(self, root: Path) -> None:
        self.env = {"CODEX_HOME": str(root / "codex"), "CODEX_SHIM_STATE_DIR": str(root / "state")}
        self.home, self.state = root / "codex", root / "state"
        self.home.mkdir()
        self.path = self.home / "config.toml"

    @property
    def config(self) -> CodexConfig:
        return CodexConfig(self.env, wait_seconds=0.2)


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


def test_in_and_out_gives_the_old_bytes_and_leaves_nothing_in_codex_home(user: User) -> None:
    user.path.write_bytes(OWN)
    change = user.config.wire(config())
    assert (change.written, change.found) == (True, False)
    assert change.backup
    assert change.backup.read_bytes() == OWN
    assert user.config.active_model() == "gpt-5.5"
    assert user.config.wire(config("other")).found
    assert user.config.active_model() == "other"
    assert not user.config.wire(config("other")).written
    assert user.config.unwire().written
    assert user.path.read_bytes() == OWN
    assert not user.config.unwire().written
    assert [path.name for path in user.home.iterdir()] == ["config.toml"]


def test_a_file_that_was_not_there_is_gone_again(user: User) -> None:
    user.config.wire(config())
    if os.name == "posix":
        assert stat.S_IMODE(user.path.stat().st_mode) == 0o600
    assert user.config.configured_model() == "gpt-5.5"
    assert user.config.unwire().removed
    assert list(user.home.iterdir()) == []
    assert user.config.configured_model() is None
    assert not user.config.unwire().written


def test_codex_home_is_made_and_a_disable_makes_none(tmp_path: Path) -> None:
    env = {"CODEX_HOME": str(tmp_path / "a" / "b"), "CODEX_SHIM_STATE_DIR": str(tmp_path / "s")}
    CodexConfig(env).unwire()
    assert list(tmp_path.iterdir()) == []
    CodexConfig(env).wire(config())
    assert (tmp_path / "a" / "b" / "config.toml").is_file()


def test_it_comes_out_without_our_state_folder(user: User) -> None:
    user.path.write_bytes(OWN)
    user.config.wire(config())
    for path in sorted(user.state.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    user.state.rmdir()
    user.state.write_text("a file where our folder was")
    assert user.config.unwire().written
    assert user.path.read_bytes() == OWN


def test_it_comes_out_by_the_journal_when_a_tool_dropped_every_comment(user: User) -> None:
    user.path.write_text('model = "o3"\nx = 1\n')
    user.config.wire(config())
    lines = user.path.read_text().splitlines(keepends=True)
    user.path.write_text("".join(line for line in lines if not line.startswith("#")))
    assert user.config.unwire().written
    assert user.path.read_text() == 'model = "o3"\nx = 1\n'
    assert not (user.state / "wiring.json").exists()


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_mode_is_kept_and_an_open_file_with_the_token_is_told_of(user: User, mode: int) -> None:
    user.path.write_bytes(OWN)
    user.path.chmod(mode)
    assert user.config.wire(config()).open_to_others is (mode != 0o600)
    assert stat.S_IMODE(user.path.stat().st_mode) == mode
    [backup] = (user.state / "config-backups").iterdir()
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    user.config.unwire()
    assert stat.S_IMODE(user.path.stat().st_mode) == mode


@posix
def test_a_symlink_is_followed_and_stays(user: User, tmp_path: Path) -> None:
    dotfiles = tmp_path / "dotfiles"
    dotfiles.mkdir()
    (dotfiles / "codex.toml").write_bytes(OWN)
    user.path.symlink_to(dotfiles / "codex.toml")
    user.config.wire(config())
    assert user.path.is_symlink()
    assert b"codex_shim" in (dotfiles / "codex.toml").read_bytes()
    user.config.unwire()
    assert (dotfiles / "codex.toml").read_bytes() == OWN
    assert [path.name for path in dotfiles.iterdir()] == ["codex.toml"]


@posix
def test_a_dangling_symlink_is_told_of(user: User, tmp_path: Path) -> None:
    user.path.symlink_to(tmp_path / "gone" / "x.toml")
    with pytest.raises(ConfigError, match="symlink to a file that does not exist"):
        user.config.wire(config())
    assert user.path.is_symlink()
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"model = \n", "not valid TOML"),
        (b"a = '\xff'\n", "not UTF-8"),
        (b"model_providers = {}\n", "leaves no place"),
    ],
)
def test_a_file_that_cannot_be_changed_is_left_as_it_is(
    user: User, data: bytes, words: str
) -> None:
    user.path.write_bytes(data)
    with pytest.raises(ConfigError, match=words):
        user.config.wire(config())
    assert user.path.read_bytes() == data
    assert not user.state.exists()


def test_a_folder_in_its_place_is_told_of(user: User) -> None:
    user.path.mkdir()
    with pytest.raises(ConfigError):
        user.config.wire(config())
    with pytest.raises(ConfigError):
        user.config.unwire()


def test_an_edit_made_between_reading_and_writing_is_kept(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    user.path.write_bytes(OWN)
    edits = [b"\r\nadded = 2\r\n", b""]

    def slow(text: str | None, values: Values) -> str:
        after = wire(text, values)
        if edits:
            with user.path.open("ab") as file:
                file.write(edits.pop(0))
        return after

    monkeypatch.setattr(codex_config, "wire", slow)
    user.config.wire(config())
    assert b"added = 2" in user.path.read_bytes()
    user.config.unwire()
    assert user.path.read_bytes() == OWN + b"\r\nadded = 2\r\n"


def test_an_edit_made_while_the_new_file_goes_to_disk_is_kept(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    user.path.write_bytes(OWN)
    edits = [b"\r\nadded = 2\r\n"]
    fsync = os.fsync

    def slow(descriptor: int) -> None:
        fsync(descriptor)
        # the backup and the journal were written before
        if edits and any(".config.toml." in path.name for path in user.home.glob(".*.tmp")):
            user.path.write_bytes(OWN + edits.pop())

    monkeypatch.setattr("addons.origins.files.os.fsync", slow)
    user.config.wire(config())
    assert not edits
    assert b"added = 2" in user.path.read_bytes()
    user.config.unwire()
    assert user.path.read_bytes() == OWN + b"\r\nadded = 2\r\n"


@pytest.mark.parametrize("act", ["wire", "unwire"])
def test_a_file_that_was_made_read_only_stays_as_it_is(user: User, act: str) -> None:
    user.path.write_bytes(OWN)
    if act == "unwire":
        user.config.wire(config())
    before = user.path.read_bytes()
    user.path.chmod(0o444)
    with pytest.raises(ConfigError, match="is read-only") as told:
        user.config.wire(config()) if act == "wire" else user.config.unwire()
    assert user.path.read_bytes() == before
    assert str(user.path) in told.value.advice
    user.path.chmod(0o600)


def test_a_file_that_never_rests_is_given_up(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    user.path.write_bytes(OWN)

    def slow(text: str | None, values: Values) -> str:
        after = wire(text, values)
        user.path.write_bytes(user.path.read_bytes() + b"\r\n#")
        return after

    monkeypatch.setattr(codex_config, "wire", slow)
    with pytest.raises(ConfigError, match="changes all the time"):
        user.config.wire(config())
    assert b"codex_shim" not in user.path.read_bytes()


def test_a_write_that_fails_leaves_the_old_file(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    user.path.write_bytes(OWN)

    def full(path: Path, *_: object) -> None:
        raise FileAccessError(path, "No space left on device")

    monkeypatch.setattr(codex_config, "write_atomic", full)
    with pytest.raises(ConfigError, match="No space left"):
        user.config.wire(config())
    assert user.path.read_bytes() == OWN
    assert [path.name for path in user.home.iterdir()] == ["config.toml"]


def test_two_at_once_do_not_mix(user: User) -> None:
    user.path.write_bytes(OWN)
    barrier = threading.Barrier(4)

    def use(slug: str) -> None:
        barrier.wait()
        for _ in range(5):
            CodexConfig(user.env).wire(config(slug))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, "abcd"))
    assert user.config.active_model() in {"a", "b", "c", "d"}
    user.config.unwire()
    assert user.path.read_bytes() == OWN


@posix
def test_one_who_waits_in_vain_is_told(user: User) -> None:
    from addons.origins.file_lock import locked  # noqa: PLC0415

    user.path.write_bytes(OWN)
    with (
        locked(user.home / ".config.toml.codex-shim.lock"),
        pytest.raises(ConfigError, match="another codex-shim"),
    ):
        user.config.wire(config())
    assert user.path.read_bytes() == OWN


@posix
@not_root
def test_a_folder_that_cannot_be_written_is_told_of_with_another_way(user: User) -> None:
    user.path.write_bytes(OWN)
    user.home.chmod(0o500)
    try:
        with pytest.raises(ConfigError) as caught:
            user.config.wire(config())
    finally:
        user.home.chmod(0o700)
    assert "codex-shim codex" in caught.value.advice


def test_an_older_shims_block_is_told_of_and_cleaned_on_request(user: User) -> None:
    old = b'# >>> codex-shim managed >>>\nmodel = "x"\n# <<< codex-shim managed <<<\ny = 1\n'
    user.path.write_bytes(old)
    assert user.config.wire(config()).older
    assert user.config.unwire().older
    assert user.path.read_bytes() == old
    cleaned = user.config.clean_older()
    assert cleaned.written
    assert cleaned.backup
    assert cleaned.backup.read_bytes() == old
    assert user.path.read_bytes() == b"y = 1\n"
    assert not user.config.clean_older().written


def test_only_the_newest_copies_are_kept(user: User) -> None:
    for number in range(codex_config.KEPT_BACKUPS + 3):
        user.path.write_text(f"x = {number}\n")
        user.config.wire(config())
        user.config.unwire()
    copies = list((user.state / "config-backups").iterdir())
    assert len(copies) == codex_config.KEPT_BACKUPS
    assert "x = 0\n" not in {copy.read_text() for copy in copies}


def test_a_block_in_a_file_that_was_broken_since_is_told_of_and_left(user: User) -> None:
    user.path.write_bytes(OWN)
    user.config.wire(config())
    broken = user.path.read_bytes() + b"\r\noops = [\r\n"
    user.path.write_bytes(broken)
    with pytest.raises(ConfigError, match="no valid TOML"):
        user.config.unwire()
    assert user.path.read_bytes() == broken


def test_a_line_that_only_looks_like_a_mark_breaks_nothing(user: User) -> None:
    text = b"#codex-shim# is a nice program\nx = 1\n"
    user.path.write_bytes(text)
    with pytest.raises(ConfigError, match="copies are in"):
        user.config.unwire()
    assert user.path.read_bytes() == text


def test_the_journal_of_another_codex_home_is_left(user: User, tmp_path: Path) -> None:
    user.path.write_bytes(OWN)
    user.config.wire(config())
    other = {**user.env, "CODEX_HOME": str(tmp_path / "other")}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.toml").write_text("x = 1\n")
    CodexConfig(other).unwire()
    assert (user.state / "wiring.json").exists()


@posix
def test_a_link_is_told_of(user: User, tmp_path: Path) -> None:
    (tmp_path / "real.toml").write_bytes(OWN)
    user.path.symlink_to(tmp_path / "real.toml")
    assert user.config.wire(config()).is_link


@posix
def test_a_pipe_in_its_place_holds_nobody_up(user: User) -> None:
    os.mkfifo(user.path)
    assert user.config.model_in_force() is None
    with pytest.raises(ConfigError, match="is not a file"):
        user.config.wire(config())


CRASHING = """
import sys
from addons.core.codex_provider import config_of
from addons.origins.codex_config import CodexConfig
env = {"CODEX_HOME": sys.argv[1], "CODEX_SHIM_STATE_DIR": sys.argv[2]}
print("up", flush=True)
while True:
    CodexConfig(env).wire(config_of("one", 1, "/c"))
    CodexConfig(env).wire(config_of("two", 2, "/c"))
    CodexConfig(env).unwire()
"""


@posix
def test_whenever_it_is_killed_the_file_is_whole_and_comes_back(user: User) -> None:
    for delay in (0.0, 0.003, 0.007, 0.013, 0.02):
        user.path.write_bytes(OWN)
        child = subprocess.Popen(
            [sys.executable, "-P", "-c", CRASHING, str(user.home), str(user.state)],
            stdout=subprocess.PIPE,
        )
        assert child.stdout
        child.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(delay)
        child.kill()
        child.communicate()
        assert user.path.read_bytes() == OWN or user.config.active_model() in {"one", "two"}
        user.config.wire(config())
        user.config.unwire()
        assert user.path.read_bytes() == OWN
