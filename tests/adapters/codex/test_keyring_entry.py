"""Codex's entry in the system's keyring: its name, how often it is asked for, and a keyring that cannot be read."""

from __future__ import annotations

import hashlib
import sys
import threading
from pathlib import Path

import keyring.errors
import pytest

from addons.adapters.codex import keyring_entry
from addons.adapters.codex.keyring_entry import (
    FRESH_SECONDS,
    SERVICE,
    KeyringEntry,
    KeyringUnusableError,
    entry_user,
    read_system_keyring,
)
from addons.adapters.system.packages import install_command
from tests.adapters.account_models import Clock


class Keyring:
    """A keyring with one entry, which counts how often it is asked."""

    def __init__(self, entry: str | None = "one") -> None:
        self.entry = entry
        self.asked: list[tuple[str, str]] = []
        self.problem: KeyringUnusableError | None = None

    def read(self, service: str, user: str) -> str | None:
        self.asked.append((service, user))
        if self.problem:
            raise self.problem
        return self.entry


def answered() -> None:
    """Wait until every keyring that was asked has answered."""
    for thread in threading.enumerate():
        if thread.name == "keyring":
            thread.join(20)


@pytest.fixture
def ring() -> Keyring:
    return Keyring()


def test_user_is_the_one_that_codex_computes(tmp_path: Path) -> None:
    link = tmp_path / "link"
    (tmp_path / "real").mkdir()
    link.symlink_to(tmp_path / "real")
    digest = hashlib.sha256(str(tmp_path / "real").encode()).hexdigest()
    assert entry_user(link) == f"cli|{digest[:16]}"


def test_entry_is_read_by_codex_names(tmp_path: Path, ring: Keyring) -> None:
    assert KeyringEntry(tmp_path, ring.read).read() == b"one"
    assert ring.asked == [(SERVICE, entry_user(tmp_path))]
    assert SERVICE == "Codex Auth"


def test_missing_entry_is_no_login(tmp_path: Path) -> None:
    assert KeyringEntry(tmp_path, Keyring(None).read).read() is None


def test_keyring_is_asked_once_while_the_answer_is_fresh(tmp_path: Path, ring: Keyring) -> None:
    clock = Clock()
    entry = KeyringEntry(tmp_path, ring.read, clock)
    for _ in range(5):
        entry.read()
    assert len(ring.asked) == 1
    clock.now += FRESH_SECONDS
    ring.entry = "two"
    entry.read()
    answered()
    assert entry.read() == b"two"


def test_refused_login_is_asked_for_again_at_once(tmp_path: Path, ring: Keyring) -> None:
    entry = KeyringEntry(tmp_path, ring.read, Clock())
    entry.read()
    ring.entry = "two"
    entry.forget()
    answered()
    assert entry.read() == b"two"


def test_unusable_keyring_is_reported_until_it_answers(tmp_path: Path, ring: Keyring) -> None:
    entry = KeyringEntry(tmp_path, ring.read, Clock())
    ring.problem = KeyringUnusableError("it is locked", "unlock it")
    with pytest.raises(KeyringUnusableError, match="it is locked") as caught:
        entry.read()
    assert caught.value.command == "unlock it"
    ring.problem = None
    entry.forget()
    answered()
    assert entry.read() == b"one"


def test_silent_keyring_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring_entry, "WAIT_SECONDS", 0.01)
    answer = threading.Event()

    def read(_service: str, _user: str) -> str:
        answer.wait(20)
        return "late"

    entry = KeyringEntry(tmp_path, read, Clock())
    with pytest.raises(KeyringUnusableError, match="unlock"):
        entry.read()
    answer.set()
    answered()
    assert entry.read() == b"late"


def test_refused_login_does_not_wait_for_the_keyring(tmp_path: Path, ring: Keyring) -> None:
    answer = threading.Event()

    def read(service: str, user: str) -> str | None:
        if ring.asked:
            answer.wait(20)
        return ring.read(service, user)

    entry = KeyringEntry(tmp_path, read, Clock())
    assert entry.read() == b"one"
    ring.entry = "two"
    entry.forget()
    assert entry.read() == b"one", "the keyring has not answered yet"
    answer.set()
    answered()
    assert entry.read() == b"two"


def test_error_of_a_library_is_a_reason_without_its_text(tmp_path: Path) -> None:
    def read(_service: str, _user: str) -> str:
        msg = "a-secret"
        raise LookupError(msg)

    with pytest.raises(KeyringUnusableError, match=r"^the keyring failed \(LookupError\)$"):
        KeyringEntry(tmp_path, read, Clock()).read()


class FakeLibrary:
    """The part of the library that is used."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, user: str) -> str | None:
        if user == "locked":
            raise keyring.errors.KeyringLocked
        return self.entries.get((service, user))


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> FakeLibrary:
    backend = FakeLibrary()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(keyring, "get_password", backend.get_password)
    return backend


def test_library_reads_the_system(library: FakeLibrary) -> None:
    library.entries[(SERVICE, "cli|1")] = "entry"
    assert read_system_keyring(SERVICE, "cli|1") == "entry"
    assert read_system_keyring(SERVICE, "cli|2") is None


@pytest.mark.usefixtures("library")
def test_locked_keyring_is_a_reason() -> None:
    with pytest.raises(KeyringUnusableError, match="the keyring refuses \\(KeyringLocked\\)"):
        read_system_keyring(SERVICE, "locked")


def test_missing_library_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(KeyringUnusableError, match="not installed") as caught:
        read_system_keyring(SERVICE, "cli|1")
    assert caught.value.command == install_command("keyring")


def test_windows_entry_cannot_be_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(KeyringUnusableError, match="Windows Credential Manager"):
        read_system_keyring(SERVICE, "cli|1")


def test_library_is_imported_only_for_an_entry() -> None:
    assert not hasattr(keyring_entry, "keyring")
