"""The local token: creation, permissions and the admission rule."""

from __future__ import annotations

import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from addons.adapters.system.files import FileAccessError
from addons.adapters.system.local_token import LocalToken, ensure_token, read_token
from addons.core.secrets import Secret


def env_of(folder: Path, **more: str) -> dict[str, str]:
    return {"CODEX_SHIM_STATE_DIR": str(folder / "state"), **more}


def test_token_is_created_once_private_and_random(tmp_path: Path) -> None:
    env = env_of(tmp_path)
    assert read_token(env) == ""
    token = ensure_token(env)
    assert len(token) >= 40
    assert ensure_token(env) == read_token(env) == token
    path = tmp_path / "state" / "token"
    assert path.read_text() == f"{token}\n"
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o644)
        ensure_token(env)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ensure_token(env_of(tmp_path / "other")) != token
    assert [file.name for file in path.parent.iterdir()] == ["token"]


def test_unusable_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file in the way")
    with pytest.raises(FileAccessError, match="token"):
        ensure_token(env_of(tmp_path))


def test_concurrent_creation_gives_one_token(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)

    def make(_: int) -> str:
        barrier.wait()
        return ensure_token(env_of(tmp_path))

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(make, range(8)))) == 1


@pytest.mark.parametrize("text", ["", "short", "with space in the middle of it all", "ü" * 40])
def test_invalid_token_file_rejects_every_client_until_replaced(tmp_path: Path, text: str) -> None:
    env = env_of(tmp_path)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "token").write_text(text)
    rule = LocalToken(env).rule()
    assert (rule.required, rule.expected) == (True, None)
    assert len(ensure_token(env)) >= 40


def test_rule_follows_the_file(tmp_path: Path) -> None:
    env = env_of(tmp_path)
    source = LocalToken(env)
    assert not source.rule().required
    token = ensure_token(env)
    rule = source.rule()
    assert rule.required
    assert rule.expected
    assert rule.expected.matches(Secret(token))
    (tmp_path / "state" / "token").unlink()
    assert not source.rule().required


@pytest.mark.parametrize(
    ("value", "with_file", "without_file"),
    [("0", False, False), ("off", False, False), ("1", True, True), ("", True, False)],
)
def test_variable_overrides_the_rule(
    tmp_path: Path, value: str, *, with_file: bool, without_file: bool
) -> None:
    env = env_of(tmp_path, CODEX_SHIM_REQUIRE_TOKEN=value)
    assert LocalToken(env).rule().required is without_file
    ensure_token(env)
    assert LocalToken(env).rule().required is with_file


def test_unreadable_token_file_rejects_every_client(tmp_path: Path) -> None:
    (tmp_path / "state" / "token").mkdir(parents=True)
    rule = LocalToken(env_of(tmp_path)).rule()
    assert (rule.required, rule.expected) == (True, None)
    with pytest.raises(FileAccessError):
        ensure_token(env_of(tmp_path))
