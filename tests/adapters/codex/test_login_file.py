"""Codex's auth.json: caching, expiry and partial writes."""

import itertools
import os
import threading
from pathlib import Path

import orjson
import pytest

from addons.adapters.codex import login_file
from addons.adapters.codex.login_file import (
    LAST_GOOD_SECONDS,
    LoginFile,
    has_chatgpt_login,
)
from addons.adapters.system.files import RACY_NS
from addons.core.codex.login import Login, LoginKind, LoginProblem
from addons.core.secrets import Secret
from tests.core.codex.test_auth_json import NOW, jwt


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def auth_json(token: str = "token", account: str = "account") -> bytes:
    return orjson.dumps({"tokens": {"access_token": token, "account_id": account}})


def put(home: Path, data: bytes, *, old: bool = True) -> None:
    path = home / "auth.json"
    path.write_bytes(data)
    if old:
        changed = path.stat().st_mtime_ns - 2 * RACY_NS
        os.utime(path, ns=(changed, changed))


def source(home: Path, clock: Clock | None = None, **env: str) -> LoginFile:
    return LoginFile({"CODEX_HOME": str(home), **env}, clock or Clock())


def token_is(found: Login | LoginProblem, token: str) -> bool:
    return isinstance(found, Login) and found.access_token.matches(Secret(token))


def kind(found: Login | LoginProblem) -> LoginKind | None:
    return found.kind if isinstance(found, LoginProblem) else None


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the pauses instead of making them."""
    made: list[float] = []
    monkeypatch.setattr("time.sleep", made.append)
    return made


def test_changed_login_is_read_again(tmp_path: Path) -> None:
    logins = source(tmp_path)
    assert kind(logins.current()) is LoginKind.MISSING
    put(tmp_path, auth_json("one"))
    assert token_is(logins.current(), "one")
    put(tmp_path, auth_json("other"))
    assert token_is(logins.current(), "other")


def test_unchanged_login_costs_one_stat_of_each_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, auth_json())
    logins = source(tmp_path)
    first = logins.current()
    stats: list[str] = []
    real = os.stat

    def counted(path: str, **_: object) -> os.stat_result:
        stats.append(path)
        return real(path)

    monkeypatch.setattr(os, "stat", counted)
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("opened again"))
    assert logins.current() is first
    monkeypatch.undo()
    assert sorted(Path(path).name for path in stats) == ["auth.json", "config.toml"]


def test_recent_file_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, auth_json(), old=False)
    logins = source(tmp_path)
    first = logins.current()
    monkeypatch.setattr(login_file, "read_login", lambda *_: pytest.fail("parsed again"))
    assert logins.current() is first


def test_expiry_is_checked_at_every_call(tmp_path: Path) -> None:
    put(tmp_path, auth_json(jwt(exp=NOW + 10)))
    clock = Clock()
    logins = source(tmp_path, clock)
    assert isinstance(logins.current(), Login)
    clock.now += 10
    assert kind(logins.current()) is LoginKind.EXPIRED
    clock.now -= 1
    assert isinstance(logins.current(), Login)


def test_disable_variable_wins_and_is_read_at_every_call(tmp_path: Path) -> None:
    put(tmp_path, auth_json())
    env = {"CODEX_HOME": str(tmp_path), "CODEX_SHIM_DISABLE_CHATGPT": "1"}
    logins = LoginFile(env, Clock())
    assert kind(logins.current()) is LoginKind.DISABLED
    del env["CODEX_SHIM_DISABLE_CHATGPT"]
    assert isinstance(logins.current(), Login)


def test_reread_ignores_the_cache(tmp_path: Path) -> None:
    put(tmp_path, auth_json("one"))
    logins = source(tmp_path)
    assert token_is(logins.current(), "one")
    mark = (tmp_path / "auth.json").stat()
    (tmp_path / "auth.json").write_bytes(auth_json("two"))
    os.utime(tmp_path / "auth.json", ns=(mark.st_atime_ns, mark.st_mtime_ns))
    assert token_is(logins.current(), "one"), "the change is not visible"
    assert token_is(logins.reread(), "two")


def test_logout_takes_effect_at_once(tmp_path: Path, pauses: list[float]) -> None:
    put(tmp_path, auth_json())
    logins = source(tmp_path)
    assert isinstance(logins.current(), Login)
    pauses.clear()
    (tmp_path / "auth.json").unlink()
    assert kind(logins.current()) is LoginKind.MISSING
    put(tmp_path, b"{")
    assert kind(logins.current()) is LoginKind.GARBLED, (
        "the login from before the logout is not used"
    )


def test_missing_file_is_not_waited_for(tmp_path: Path, pauses: list[float]) -> None:
    source(tmp_path).current()
    assert pauses == []


@pytest.mark.parametrize("heals_after", [1, 2])
def test_partially_written_file_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heals_after: int
) -> None:
    put(tmp_path, auth_json("new")[:20], old=False)
    pauses: list[float] = []

    def write_the_rest(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == heals_after:
            put(tmp_path, auth_json("new"), old=False)

    monkeypatch.setattr("time.sleep", write_the_rest)
    assert token_is(source(tmp_path).current(), "new")
    assert sum(pauses) <= 0.005


def test_login_is_accepted_when_two_reads_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, auth_json("mixed"), old=False)
    monkeypatch.setattr("time.sleep", lambda _: put(tmp_path, auth_json("whole"), old=False))
    assert token_is(source(tmp_path).current(), "whole")


def test_file_that_keeps_changing_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = iter("bcdefgh")
    put(tmp_path, auth_json("a"), old=False)
    monkeypatch.setattr("time.sleep", lambda _: put(tmp_path, auth_json(next(tokens)), old=False))
    found = source(tmp_path).current()
    assert isinstance(found, LoginProblem)
    assert "kept changing" in found.message


def test_last_good_login_covers_a_broken_file_for_a_limited_time(
    tmp_path: Path, pauses: list[float]
) -> None:
    clock = Clock()
    put(tmp_path, auth_json("good"))
    logins = source(tmp_path, clock)
    logins.current()
    clock.now += 3600
    put(tmp_path, b"")
    assert token_is(logins.current(), "good"), "time without a call does not count"
    clock.now += LAST_GOOD_SECONDS - 0.1
    assert token_is(logins.current(), "good")
    clock.now += 0.1
    assert kind(logins.current()) is LoginKind.GARBLED
    put(tmp_path, auth_json("back"))
    assert token_is(logins.current(), "back")
    assert sum(pauses) < 0.02


def test_last_good_login_still_expires(tmp_path: Path, pauses: list[float]) -> None:
    clock = Clock()
    put(tmp_path, auth_json(jwt(exp=NOW + 5)))
    logins = source(tmp_path, clock)
    logins.current()
    put(tmp_path, b"{")
    assert isinstance(logins.current(), Login)
    clock.now += 5
    assert kind(logins.current()) is LoginKind.EXPIRED
    assert pauses


def test_settled_broken_file_is_not_waited_for_again(tmp_path: Path, pauses: list[float]) -> None:
    put(tmp_path, b"{")
    logins = source(tmp_path)
    assert kind(logins.current()) is LoginKind.GARBLED
    pauses.clear()
    assert kind(logins.current()) is LoginKind.GARBLED
    assert pauses == []


def test_recent_truncated_file_is_waited_for_each_time(tmp_path: Path, pauses: list[float]) -> None:
    put(tmp_path, b"", old=False)
    logins = source(tmp_path)
    logins.current()
    pauses.clear()
    logins.current()
    assert len(pauses) == 3


def test_unreadable_file_is_reported_after_the_last_good_login(tmp_path: Path) -> None:
    clock = Clock()
    put(tmp_path, auth_json("good"))
    logins = source(tmp_path, clock)
    logins.current()
    (tmp_path / "auth.json").unlink()
    (tmp_path / "auth.json").mkdir()
    assert token_is(logins.current(), "good")
    clock.now += LAST_GOOD_SECONDS
    assert kind(logins.current()) is LoginKind.UNREADABLE


# Padded so that the file spans several pages, where two versions can mix.
PAIRS = [(letter * 3000, f"account-{letter}" * 400) for letter in "ab"]


def test_concurrent_writer_never_mixes_versions_or_causes_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    versions = [auth_json(*pair) for pair in PAIRS]
    path.write_bytes(versions[0])
    logins = source(tmp_path)
    assert isinstance(logins.current(), Login)
    done = threading.Event()

    def rewrite() -> None:
        for version in itertools.cycle(versions):
            # As Codex does: truncate, then write in two steps.
            with path.open("wb", buffering=0) as file:
                half = len(version) // 2
                file.write(version[:half])
                file.write(version[half:])
            if done.is_set():
                return

    writer = threading.Thread(target=rewrite)
    writer.start()
    seen: set[tuple[bytes, bytes]] = set()
    problems = []
    reads = 0
    while reads < 2000 or len(seen) < len(PAIRS):
        reads += 1
        found = logins.current()
        if isinstance(found, LoginProblem):
            problems.append(found)
        elif found.account_id is not None:
            seen.add((found.access_token.reveal(), found.account_id.reveal()))
        if reads == 200_000:
            break
    done.set()
    writer.join()
    assert problems == []
    assert seen <= {(token.encode(), account.encode()) for token, account in PAIRS}
    assert len(seen) == len(PAIRS), "both versions were read, so the race was exercised"


def test_login_of_codex_is_found_also_while_the_file_is_rewritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = {"CODEX_HOME": str(tmp_path)}
    whole = orjson.dumps({"tokens": {"access_token": "t", "id_token": jwt(email="a@b.example")}})
    assert not has_chatgpt_login(env)
    put(tmp_path, whole)
    assert has_chatgpt_login(env)
    put(tmp_path, whole[:9])
    monkeypatch.setattr("time.sleep", lambda _: put(tmp_path, whole))
    assert has_chatgpt_login(env)
    put(tmp_path, b'{"OPENAI_API_KEY":"sk"}')
    monkeypatch.setattr("time.sleep", lambda _: None)
    assert not has_chatgpt_login(env)
    (tmp_path / "auth.json").unlink()
    (tmp_path / "auth.json").mkdir()
    assert not has_chatgpt_login(env)
