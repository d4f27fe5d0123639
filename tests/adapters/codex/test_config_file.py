"""Install and remove on a real disk: no byte of the user's config.toml is lost."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from addons.adapters.codex import config_file
from addons.adapters.codex.config_file import CodexConfig, ConfigError
from addons.adapters.system.files import FileAccessError
from addons.adapters.system.paths import CODEX_CATALOG
from addons.core.codex.config_block import install
from addons.core.codex.provider_config import Values, config_for, token_in_file

posix = pytest.mark.skipif(os.name != "posix", reason="modes and symlinks")
not_root = pytest.mark.skipif(
    hasattr(os, "geteuid") and os.geteuid() == 0, reason="root ignores modes"
)
OWN = b'\xef\xbb\xbf# mine\r\nmodel = "o3"\r\n\r\n[tui]\r\nx = 1'


def config(slug: str = "gpt-5.5") -> Values:
    return config_for(slug, 8765, "/state/catalog.json", token_in_file("t0ken"))


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


def test_round_trip_restores_the_bytes_and_leaves_no_other_file(user: User) -> None:
    user.path.write_bytes(OWN)
    change = user.config.install(config())
    assert (change.written, change.found) == (True, False)
    assert change.backup
    assert change.backup.read_bytes() == OWN
    assert user.config.active_model() == "gpt-5.5"
    assert user.config.install(config("other")).found
    assert user.config.active_model() == "other"
    assert not user.config.install(config("other")).written
    assert user.config.remove().written
    assert user.path.read_bytes() == OWN
    assert not user.config.remove().written
    assert [path.name for path in user.home.iterdir()] == ["config.toml"]


def test_catalog_exists_exactly_while_the_block_does(user: User) -> None:
    catalog = user.home / CODEX_CATALOG
    user.path.write_bytes(OWN)
    user.config.install(config(), b"{}")
    assert catalog.read_bytes() == b"{}"
    user.config.install(config(), b"[]")
    assert catalog.read_bytes() == b"[]"
    user.config.remove()
    assert [path.name for path in user.home.iterdir()] == ["config.toml"]
    user.config.install(config(), b"{}")
    user.path.unlink()
    user.config.remove()
    assert not catalog.exists()


def test_failed_installation_leaves_no_new_catalog(user: User) -> None:
    user.path.write_text("broken = \n")
    with pytest.raises(ConfigError):
        user.config.install(config(), b"{}")
    assert [path.name for path in user.home.iterdir()] == ["config.toml"]


def test_failed_installation_keeps_the_catalog_of_an_earlier_one(user: User) -> None:
    user.config.install(config(), b"{}")
    user.path.write_text("broken = \n")
    with pytest.raises(ConfigError):
        user.config.install(config(), b"{}")
    assert (user.home / CODEX_CATALOG).exists()


def test_unwritable_catalog_changes_nothing(user: User) -> None:
    user.path.write_bytes(OWN)
    (user.home / CODEX_CATALOG / "full").mkdir(parents=True)
    with pytest.raises(ConfigError, match=CODEX_CATALOG):
        user.config.install(config(), b"{}")
    assert user.path.read_bytes() == OWN


def test_catalog_that_the_remaining_config_names_stays(user: User) -> None:
    user.path.write_text(f'model_catalog_json = "{CODEX_CATALOG}"\n')
    user.config.install(config(), b"{}")
    user.config.remove()
    assert (user.home / CODEX_CATALOG).exists()


def test_new_file_is_deleted_on_removal(user: User) -> None:
    user.config.install(config())
    if os.name == "posix":
        assert stat.S_IMODE(user.path.stat().st_mode) == 0o600
    assert user.config.configured_model() == "gpt-5.5"
    assert user.config.remove().removed
    assert list(user.home.iterdir()) == []
    assert user.config.configured_model() is None
    assert not user.config.remove().written


def test_install_creates_codex_home_and_remove_does_not(tmp_path: Path) -> None:
    env = {"CODEX_HOME": str(tmp_path / "a" / "b"), "CODEX_SHIM_STATE_DIR": str(tmp_path / "s")}
    CodexConfig(env).remove()
    assert list(tmp_path.iterdir()) == []
    CodexConfig(env).install(config())
    assert (tmp_path / "a" / "b" / "config.toml").is_file()


def test_removal_works_without_the_state_folder(user: User) -> None:
    user.path.write_bytes(OWN)
    user.config.install(config())
    for path in sorted(user.state.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    user.state.rmdir()
    user.state.write_text("a file in place of the folder")
    assert user.config.remove().written
    assert user.path.read_bytes() == OWN


def test_removal_uses_the_journal_when_comments_are_lost(user: User) -> None:
    user.path.write_text('model = "o3"\nx = 1\n')
    user.config.install(config())
    lines = user.path.read_text().splitlines(keepends=True)
    user.path.write_text("".join(line for line in lines if not line.startswith("#")))
    assert user.config.remove().written
    assert user.path.read_text() == 'model = "o3"\nx = 1\n'
    assert not (user.state / "wiring.json").exists()


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_mode_is_kept_and_a_readable_token_is_reported(user: User, mode: int) -> None:
    user.path.write_bytes(OWN)
    user.path.chmod(mode)
    assert user.config.install(config()).open_to_others is (mode != 0o600)
    assert stat.S_IMODE(user.path.stat().st_mode) == mode
    [backup] = (user.state / "config-backups").iterdir()
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    user.config.remove()
    assert stat.S_IMODE(user.path.stat().st_mode) == mode


@posix
def test_symlink_is_followed_and_kept(user: User, tmp_path: Path) -> None:
    dotfiles = tmp_path / "dotfiles"
    dotfiles.mkdir()
    (dotfiles / "codex.toml").write_bytes(OWN)
    user.path.symlink_to(dotfiles / "codex.toml")
    user.config.install(config())
    assert user.path.is_symlink()
    assert b"codex_shim" in (dotfiles / "codex.toml").read_bytes()
    user.config.remove()
    assert (dotfiles / "codex.toml").read_bytes() == OWN
    assert [path.name for path in dotfiles.iterdir()] == ["codex.toml"]


@posix
def test_dangling_symlink_is_rejected(user: User, tmp_path: Path) -> None:
    user.path.symlink_to(tmp_path / "gone" / "x.toml")
    with pytest.raises(ConfigError, match="symlink to a file that does not exist"):
        user.config.install(config())
    assert user.path.is_symlink()
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"model = \n", "not valid TOML"),
        (b"a = '\xff'\n", "not UTF-8"),
        (b"model_providers = {}\n", "leaves no room"),
    ],
)
def test_unsupported_file_is_left_unchanged(user: User, data: bytes, expected: str) -> None:
    user.path.write_bytes(data)
    with pytest.raises(ConfigError, match=expected):
        user.config.install(config())
    assert user.path.read_bytes() == data
    assert not user.state.exists()


def test_folder_in_place_of_the_file_is_rejected(user: User) -> None:
    user.path.mkdir()
    with pytest.raises(ConfigError):
        user.config.install(config())
    with pytest.raises(ConfigError):
        user.config.remove()


def test_edit_between_read_and_write_is_kept(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    user.path.write_bytes(OWN)
    edits = [b"\r\nadded = 2\r\n", b""]

    def slow(text: str | None, values: Values) -> str:
        after = install(text, values)
        if edits:
            with user.path.open("ab") as file:
                file.write(edits.pop(0))
        return after

    monkeypatch.setattr(config_file, "install", slow)
    user.config.install(config())
    assert b"added = 2" in user.path.read_bytes()
    user.config.remove()
    assert user.path.read_bytes() == OWN + b"\r\nadded = 2\r\n"


def test_edit_during_the_write_is_kept(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    user.path.write_bytes(OWN)
    edits = [b"\r\nadded = 2\r\n"]
    fsync = os.fsync

    def slow(descriptor: int) -> None:
        fsync(descriptor)
        # The backup and the journal were written before.
        if edits and any(".config.toml." in path.name for path in user.home.glob(".*.tmp")):
            user.path.write_bytes(OWN + edits.pop())

    monkeypatch.setattr("addons.adapters.system.files.os.fsync", slow)
    user.config.install(config())
    assert not edits
    assert b"added = 2" in user.path.read_bytes()
    user.config.remove()
    assert user.path.read_bytes() == OWN + b"\r\nadded = 2\r\n"


@pytest.mark.parametrize("action", ["install", "remove"])
def test_read_only_file_is_left_unchanged(user: User, action: str) -> None:
    user.path.write_bytes(OWN)
    if action == "remove":
        user.config.install(config())
    before = user.path.read_bytes()
    user.path.chmod(0o444)
    with pytest.raises(ConfigError, match="is read-only") as caught:
        user.config.install(config()) if action == "install" else user.config.remove()
    assert user.path.read_bytes() == before
    assert str(user.path) in caught.value.advice
    user.path.chmod(0o600)


def test_file_that_keeps_changing_is_rejected(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    user.path.write_bytes(OWN)

    def slow(text: str | None, values: Values) -> str:
        after = install(text, values)
        user.path.write_bytes(user.path.read_bytes() + b"\r\n#")
        return after

    monkeypatch.setattr(config_file, "install", slow)
    with pytest.raises(ConfigError, match="keeps changing"):
        user.config.install(config())
    assert b"codex_shim" not in user.path.read_bytes()


def test_failed_write_leaves_the_old_file(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    user.path.write_bytes(OWN)

    def full(path: Path, *_: object) -> None:
        raise FileAccessError(path, "No space left on device")

    monkeypatch.setattr(config_file, "write_atomic", full)
    with pytest.raises(ConfigError, match="No space left"):
        user.config.install(config())
    assert user.path.read_bytes() == OWN
    assert [path.name for path in user.home.iterdir()] == ["config.toml"]


def test_concurrent_installs_do_not_mix(user: User) -> None:
    user.path.write_bytes(OWN)
    barrier = threading.Barrier(4)

    def use(slug: str) -> None:
        barrier.wait()
        for _ in range(5):
            CodexConfig(user.env).install(config(slug))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, "abcd"))
    assert user.config.active_model() in {"a", "b", "c", "d"}
    user.config.remove()
    assert user.path.read_bytes() == OWN


@posix
def test_held_lock_is_reported(user: User) -> None:
    from addons.adapters.system.file_lock import locked  # noqa: PLC0415

    user.path.write_bytes(OWN)
    with (
        locked(user.home / ".config.toml.codex-shim.lock"),
        pytest.raises(ConfigError, match="another codex-shim"),
    ):
        user.config.install(config())
    assert user.path.read_bytes() == OWN


@posix
@not_root
def test_unwritable_folder_is_reported_with_an_alternative(user: User) -> None:
    user.path.write_bytes(OWN)
    user.home.chmod(0o500)
    try:
        with pytest.raises(ConfigError) as caught:
            user.config.install(config())
    finally:
        user.home.chmod(0o700)
    assert "codex-shim codex" in caught.value.advice


def test_legacy_block_is_reported_and_removed_on_request(user: User) -> None:
    old = b'# >>> codex-shim managed >>>\nmodel = "x"\n# <<< codex-shim managed <<<\ny = 1\n'
    user.path.write_bytes(old)
    assert user.config.install(config()).has_legacy_block
    assert user.config.remove().has_legacy_block
    assert user.path.read_bytes() == old
    cleaned = user.config.remove_legacy_blocks()
    assert cleaned.written
    assert cleaned.backup
    assert cleaned.backup.read_bytes() == old
    assert user.path.read_bytes() == b"y = 1\n"
    assert not user.config.remove_legacy_blocks().written


def test_only_the_newest_backups_are_kept(user: User) -> None:
    for number in range(config_file.MAX_BACKUPS + 3):
        user.path.write_text(f"x = {number}\n")
        user.config.install(config())
        user.config.remove()
    copies = list((user.state / "config-backups").iterdir())
    assert len(copies) == config_file.MAX_BACKUPS
    assert "x = 0\n" not in {copy.read_text() for copy in copies}


def test_block_in_a_file_that_became_invalid_is_left_unchanged(user: User) -> None:
    user.path.write_bytes(OWN)
    user.config.install(config())
    broken = user.path.read_bytes() + b"\r\noops = [\r\n"
    user.path.write_bytes(broken)
    with pytest.raises(ConfigError, match="not valid TOML"):
        user.config.remove()
    assert user.path.read_bytes() == broken


def test_user_line_that_looks_like_a_mark_is_left_unchanged(user: User) -> None:
    text = b"#codex-shim# is a nice program\nx = 1\n"
    user.path.write_bytes(text)
    with pytest.raises(ConfigError, match="copies are in"):
        user.config.remove()
    assert user.path.read_bytes() == text


def test_journal_of_another_codex_home_is_kept(user: User, tmp_path: Path) -> None:
    user.path.write_bytes(OWN)
    user.config.install(config())
    other = {**user.env, "CODEX_HOME": str(tmp_path / "other")}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.toml").write_text("x = 1\n")
    CodexConfig(other).remove()
    assert (user.state / "wiring.json").exists()


@posix
def test_symlink_is_reported(user: User, tmp_path: Path) -> None:
    (tmp_path / "real.toml").write_bytes(OWN)
    user.path.symlink_to(tmp_path / "real.toml")
    assert user.config.install(config()).is_link


@posix
def test_named_pipe_does_not_block(user: User) -> None:
    os.mkfifo(user.path)
    assert user.config.find_active_model() is None
    with pytest.raises(ConfigError, match="is not a file"):
        user.config.install(config())


CRASHING = """
import sys
from addons.core.codex.provider_config import config_for
from addons.adapters.codex.config_file import CodexConfig
env = {"CODEX_HOME": sys.argv[1], "CODEX_SHIM_STATE_DIR": sys.argv[2]}
print("up", flush=True)
while True:
    CodexConfig(env).install(config_for("one", 1, "/c"))
    CodexConfig(env).install(config_for("two", 2, "/c"))
    CodexConfig(env).remove()
"""


@posix
def test_kill_at_any_time_leaves_a_complete_file(user: User) -> None:
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
        user.config.install(config())
        user.config.remove()
        assert user.path.read_bytes() == OWN
