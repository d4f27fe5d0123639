import itertools
import os
import threading
from pathlib import Path

import orjson
import pytest

from addons.core.credential import Secret
from addons.core.login import Login, LoginKind, LoginProblem
from addons.origins import login_file
from addons.origins.files import RACY_NS
from addons.origins.login_file import LAST_GOOD_SECONDS, LoginFile, login_path
from tests.core.test_login import NOW, jwt


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


def test_the_login_lies_in_codex_home_or_in_the_users_home(tmp_path: Path) -> None:
    assert login_path({"CODEX_HOME": str(tmp_path)}) == tmp_path / "auth.json"
    assert login_path({"HOME": str(tmp_path)}) == tmp_path / ".codex" / "auth.json"


def test_a_login_is_found_and_a_changed_one_is_noticed(tmp_path: Path) -> None:
    logins = source(tmp_path)
    assert kind(logins.current()) is LoginKind.MISSING
    put(tmp_path, auth_json("one"))
    assert token_is(logins.current(), "one")
    put(tmp_path, auth_json("other"))
    assert token_is(logins.current(), "other")


def test_an_unchanged_file_costs_one_stat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, auth_json())
    logins = source(tmp_path)
    first = logins.current()
    stats: list[Path] = []
    real = Path.stat

    def counted(path: Path) -> os.stat_result:
        stats.append(path)
        return real(path)

    monkeypatch.setattr(Path, "stat", counted)
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("opened again"))
    assert logins.current() is first
    assert len(stats) == 1


def test_a_login_is_parsed_once_while_the_file_is_young(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, auth_json(), old=False)
    logins = source(tmp_path)
    first = logins.current()
    monkeypatch.setattr(login_file, "read_login", lambda *_: pytest.fail("parsed again"))
    assert logins.current() is first


def test_expiry_is_judged_at_every_call(tmp_path: Path) -> None:
    put(tmp_path, auth_json(jwt(exp=NOW + 10)))
    clock = Clock()
    logins = source(tmp_path, clock)
    assert isinstance(logins.current(), Login)
    clock.now += 10
    assert kind(logins.current()) is LoginKind.EXPIRED
    clock.now -= 1
    assert isinstance(logins.current(), Login)


def test_the_switch_wins_and_is_looked_at_every_time(tmp_path: Path) -> None:
    put(tmp_path, auth_json())
    env = {"CODEX_HOME": str(tmp_path), "CODEX_SHIM_DISABLE_CHATGPT": "1"}
    logins = LoginFile(env, Clock())
    assert kind(logins.current()) is LoginKind.DISABLED
    del env["CODEX_SHIM_DISABLE_CHATGPT"]
    assert isinstance(logins.current(), Login)


def test_reread_goes_past_the_cache(tmp_path: Path) -> None:
    put(tmp_path, auth_json("one"))
    logins = source(tmp_path)
    assert token_is(logins.current(), "one")
    mark = (tmp_path / "auth.json").stat()
    (tmp_path / "auth.json").write_bytes(auth_json("two"))
    os.utime(tmp_path / "auth.json", ns=(mark.st_atime_ns, mark.st_mtime_ns))
    assert token_is(logins.current(), "one"), "nothing shows that it changed"
    assert token_is(logins.reread(), "two")


def test_a_logout_counts_at_once(tmp_path: Path, pauses: list[float]) -> None:
    put(tmp_path, auth_json())
    logins = source(tmp_path)
    assert isinstance(logins.current(), Login)
    pauses.clear()
    (tmp_path / "auth.json").unlink()
    assert kind(logins.current()) is LoginKind.MISSING
    put(tmp_path, b"{")
    assert kind(logins.current()) is LoginKind.GARBLED, "the login of before the logout is gone"


def test_a_missing_login_never_waits(tmp_path: Path, pauses: list[float]) -> None:
    source(tmp_path).current()
    assert pauses == []


@pytest.mark.parametrize("heals_after", [1, 2])
def test_a_file_caught_half_written_is_read_again(
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


def test_a_login_is_believed_when_two_reads_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, auth_json("mixed"), old=False)
    monkeypatch.setattr("time.sleep", lambda _: put(tmp_path, auth_json("whole"), old=False))
    assert token_is(source(tmp_path).current(), "whole")


def test_a_file_that_never_rests_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = iter("bcdefgh")
    put(tmp_path, auth_json("a"), old=False)
    monkeypatch.setattr("time.sleep", lambda _: put(tmp_path, auth_json(next(tokens)), old=False))
    found = source(tmp_path).current()
    assert isinstance(found, LoginProblem)
    assert "kept changing" in found.message


def test_a_broken_file_is_covered_for_half_a_minute(tmp_path: Path, pauses: list[float]) -> None:
    clock = Clock()
    put(tmp_path, auth_json("good"))
    logins = source(tmp_path, clock)
    logins.current()
    clock.now += 3600
    put(tmp_path, b"")
    assert token_is(logins.current(), "good"), "an hour of silence does not count"
    clock.now += LAST_GOOD_SECONDS - 0.1
    assert token_is(logins.current(), "good")
    clock.now += 0.1
    assert kind(logins.current()) is LoginKind.GARBLED
    put(tmp_path, auth_json("back"))
    assert token_is(logins.current(), "back")
    assert sum(pauses) < 0.02


def test_the_cover_expires_with_its_token(tmp_path: Path, pauses: list[float]) -> None:
    clock = Clock()
    put(tmp_path, auth_json(jwt(exp=NOW + 5)))
    logins = source(tmp_path, clock)
    logins.current()
    put(tmp_path, b"{")
    assert isinstance(logins.current(), Login)
    clock.now += 5
    assert kind(logins.current()) is LoginKind.EXPIRED
    assert pauses


def test_a_file_that_stays_broken_is_not_waited_for_again(
    tmp_path: Path, pauses: list[float]
) -> None:
    put(tmp_path, b"{")
    logins = source(tmp_path)
    assert kind(logins.current()) is LoginKind.GARBLED
    pauses.clear()
    assert kind(logins.current()) is LoginKind.GARBLED
    assert pauses == []


def test_a_young_truncated_file_is_waited_for_each_time(
    tmp_path: Path, pauses: list[float]
) -> None:
    put(tmp_path, b"", old=False)
    logins = source(tmp_path)
    logins.current()
    pauses.clear()
    logins.current()
    assert len(pauses) == 3


def test_a_refused_file_says_so_after_the_cover(tmp_path: Path) -> None:
    clock = Clock()
    put(tmp_path, auth_json("good"))
    logins = source(tmp_path, clock)
    logins.current()
    (tmp_path / "auth.json").unlink()
    (tmp_path / "auth.json").mkdir()
    assert token_is(logins.current(), "good")
    clock.now += LAST_GOOD_SECONDS
    assert kind(logins.current()) is LoginKind.UNREADABLE


# Padded so that the file spans several pages: that is where two versions can mix.
PAIRS = [(letter * 3000, f"account-{letter}" * 400) for letter in "ab"]


def test_beside_a_writer_no_pair_is_mixed_and_no_problem_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    versions = [auth_json(*pair) for pair in PAIRS]
    path.write_bytes(versions[0])
    logins = source(tmp_path)
    assert isinstance(logins.current(), Login)
    done = threading.Event()

    def rewrite() -> None:
        for version in itertools.cycle(versions):
            # As Codex does it: truncate, then write in two steps.
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
    assert len(seen) == len(PAIRS), "both versions were met, so the race was run"
