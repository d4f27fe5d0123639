"""Whose mode mask is whose: ours hides everything, a child's is the user's."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from addons.origins.umask import users_umask, write_for_owner_only


@pytest.fixture(autouse=True)
def mask() -> Iterator[None]:
    before = os.umask(0o027)
    users_umask.cache_clear()
    yield
    os.umask(before)
    users_umask.cache_clear()


def test_the_users_is_remembered_before_ours_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CODEX_SHIM_CURSOR_UMASK", raising=False)
    write_for_owner_only()
    assert users_umask() == 0o027
    assert os.umask(0o027) == 0o077


def test_asking_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CODEX_SHIM_CURSOR_UMASK", raising=False)
    users_umask()
    assert os.umask(0o027) == 0o027


@pytest.mark.parametrize(("named", "expected"), [("2", 0o002), ("0077", 0o077), ("x", 0o027)])
def test_a_variable_names_it(monkeypatch: pytest.MonkeyPatch, named: str, expected: int) -> None:
    monkeypatch.setenv("CODEX_SHIM_CURSOR_UMASK", named)
    assert users_umask() == expected
