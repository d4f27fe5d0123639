"""Where Codex keeps its login: auth.json or the keyring, as config.toml says."""

from __future__ import annotations

from pathlib import Path

import pytest

from addons.adapters.codex.keyring_entry import KeyringEntry, KeyringUnusableError
from addons.adapters.codex.login_file import KEYRING_NAME, LoginStore, login_files, login_path
from tests.adapters.account_models import Clock
from tests.adapters.codex.test_keyring_entry import Keyring, answered


def store(home: Path, ring: Keyring) -> LoginStore:
    return LoginStore({"CODEX_HOME": str(home)}, KeyringEntry(home, ring.read, Clock()))


def configure(home: Path, value: str) -> None:
    (home / "config.toml").write_text(f"cli_auth_credentials_store = {value}\n")


def test_login_path_is_in_codex_home_or_the_user_home(tmp_path: Path) -> None:
    assert login_path({"CODEX_HOME": str(tmp_path)}) == tmp_path / "auth.json"
    assert login_path({"HOME": str(tmp_path)}) == tmp_path / ".codex" / "auth.json"
    assert login_files({"CODEX_HOME": str(tmp_path)}) == (
        tmp_path / "auth.json",
        tmp_path / "config.toml",
    )


@pytest.mark.parametrize("value", ['"keyring"', '"auto"'])
def test_login_is_in_the_keyring_when_the_config_says_so(tmp_path: Path, value: str) -> None:
    configure(tmp_path, value)
    found = store(tmp_path, Keyring("entry"))
    assert found.read() == b"entry"
    assert found.name == KEYRING_NAME
    assert found.is_settled


@pytest.mark.parametrize("value", ['"file"', '"ephemeral"', "7", '"keyring'])
def test_keyring_is_not_asked_without_a_word_of_the_config(tmp_path: Path, value: str) -> None:
    ring = Keyring()
    configure(tmp_path, value)
    found = store(tmp_path, ring)
    assert found.read() is None
    assert found.name == str(tmp_path / "auth.json")
    assert ring.asked == []


def test_file_is_not_read_when_the_keyring_is_the_store(tmp_path: Path) -> None:
    configure(tmp_path, '"keyring"')
    (tmp_path / "auth.json").write_bytes(b"stale")
    assert store(tmp_path, Keyring("entry")).read() == b"entry"
    found = store(tmp_path, Keyring(None))
    assert found.read() is None
    assert found.name == KEYRING_NAME


def test_file_is_no_way_out_of_an_unusable_keyring(tmp_path: Path) -> None:
    ring = Keyring()
    ring.problem = KeyringUnusableError("it is locked")
    configure(tmp_path, '"keyring"')
    (tmp_path / "auth.json").write_bytes(b"stale")
    with pytest.raises(KeyringUnusableError):
        store(tmp_path, ring).read()


def test_entry_comes_before_the_file_with_auto(tmp_path: Path) -> None:
    configure(tmp_path, '"auto"')
    (tmp_path / "auth.json").write_bytes(b"file")
    found = store(tmp_path, Keyring("entry"))
    assert found.read() == b"entry"
    assert found.name == KEYRING_NAME


@pytest.mark.parametrize("problem", [None, KeyringUnusableError("it is locked")])
def test_file_is_read_without_an_entry_with_auto(
    tmp_path: Path, problem: KeyringUnusableError | None
) -> None:
    ring = Keyring(None)
    ring.problem = problem
    configure(tmp_path, '"auto"')
    (tmp_path / "auth.json").write_bytes(b"file")
    found = store(tmp_path, ring)
    assert found.read() == b"file"
    assert found.name == str(tmp_path / "auth.json")


def test_unusable_keyring_is_a_problem_with_auto_and_no_file(tmp_path: Path) -> None:
    ring = Keyring()
    ring.problem = KeyringUnusableError("it is locked")
    configure(tmp_path, '"auto"')
    with pytest.raises(KeyringUnusableError):
        store(tmp_path, ring).read()


def test_change_of_the_config_takes_effect(tmp_path: Path) -> None:
    found = store(tmp_path, Keyring())
    assert found.read() is None
    configure(tmp_path, '"keyring"')
    assert found.read() == b"one"


def test_forget_asks_the_keyring_again(tmp_path: Path) -> None:
    ring = Keyring()
    configure(tmp_path, '"keyring"')
    found = store(tmp_path, ring)
    found.read()
    ring.entry = "two"
    found.forget()
    answered()
    assert found.read() == b"two"


def test_unreadable_config_means_no_keyring(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    assert store(tmp_path, Keyring()).read() is None
