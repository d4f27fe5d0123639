"""The private umask of the shim, and the user's umask for children."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from addons.adapters.system.umask import set_private_umask, users_umask


@pytest.fixture(autouse=True)
def mask() -> Iterator[None]:
    before = os.umask(0o027)
    users_umask.cache_clear()
    yield
    os.umask(before)
    users_umask.cache_clear()


def test_user_umask_is_read_before_the_private_one_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CODEX_SHIM_CURSOR_UMASK", raising=False)
    set_private_umask()
    assert users_umask() == 0o027
    assert os.umask(0o027) == 0o077


def test_reading_the_umask_does_not_change_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CODEX_SHIM_CURSOR_UMASK", raising=False)
    users_umask()
    assert os.umask(0o027) == 0o027


@pytest.mark.parametrize(("named", "expected"), [("2", 0o002), ("0077", 0o077), ("x", 0o027)])
def test_variable_overrides_the_umask(
    monkeypatch: pytest.MonkeyPatch, named: str, expected: int
) -> None:
    monkeypatch.setenv("CODEX_SHIM_CURSOR_UMASK", named)
    assert users_umask() == expected
