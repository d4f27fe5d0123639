"""The background tasks: when the account's models are fetched and the Cursor login is checked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from addons.core.codex.login import Login, LoginMethod
from addons.core.secrets import Secret
from addons.proxy import refresh
from addons.proxy.refresh import BackgroundRefresh
from tests.boundary.surfaces import Home, running
from tests.support.waiting import until


class FakeCursor:
    """Counts refreshes of the login."""

    def __init__(self) -> None:
        self.refreshes = 0
        self.due = asyncio.Event()
        self.agent = self

    async def refresh(self) -> None:
        self.refreshes += 1

    async def wait_for_refresh(self) -> None:
        self.due.clear()
        await self.due.wait()


class FakeSources:
    """Counts refreshes of the account's models and looks at the login. `login` is the token that the file holds."""

    def __init__(self) -> None:
        self.login = "first"
        self.account = ""
        """The account that a refresh finds."""
        self.refreshes = 0
        self.looks = 0
        self.expected: list[int] = []
        """The number of refreshes before each turn that was expected."""
        self.is_complete = True
        self.error: Exception | None = None
        self.cursor = FakeCursor()
        self.logins = self
        self.row_routes = self.local = self
        self.polls = 0
        self.is_stopped = False
        self.poll_error: Exception | None = None

    def expect_turn(self) -> bool:
        self.expected.append(self.refreshes)
        return self.is_complete

    def current(self) -> Login:
        self.looks += 1
        account = Secret(self.account) if self.account else None
        return Login(Secret(self.login), account, method=LoginMethod.ACCESS_TOKEN)

    async def poll_local_servers(self) -> bool:
        self.polls += 1
        if self.poll_error:
            raise self.poll_error
        return True

    async def stop(self) -> None:
        self.is_stopped = True

    async def refresh(self) -> bool:
        self.refreshes += 1
        self.account = "acct-found"
        if self.error:
            raise self.error
        return False


async def started(sources: Any) -> BackgroundRefresh:
    tasks = BackgroundRefresh(lambda: sources, sources.expect_turn)
    await until(lambda: sources.refreshes and sources.cursor.refreshes)
    return tasks


async def ended(tasks: BackgroundRefresh) -> None:
    tasks.cancel()
    await asyncio.wait_for(tasks.wait(), 5)


async def test_account_models_are_fetched_at_once_after_a_new_login(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refresh, "LOGIN_POLL_SECONDS", 0.01)
    sources = FakeSources()
    tasks = await started(sources)
    await until(lambda: sources.looks >= 5)
    assert sources.refreshes == 1, "the token has not changed"
    sources.login = "second"
    await until(lambda: sources.refreshes == 2)
    await ended(tasks)


@pytest.mark.parametrize(("is_complete", "expected"), [(True, [0]), (False, [0, 1])])
async def test_turn_is_expected_once_for_each_login_when_its_details_are_known(
    monkeypatch: pytest.MonkeyPatch, is_complete: bool, expected: list[int]
) -> None:
    monkeypatch.setattr(refresh, "LOGIN_POLL_SECONDS", 0.001)
    monkeypatch.setattr(refresh, "REFRESH_SECONDS", 0.01)
    sources = FakeSources()
    sources.is_complete = is_complete
    tasks = await started(sources)
    await until(lambda: sources.refreshes >= 3)
    assert sources.expected == expected
    sources.login = "second"
    await until(lambda: len(sources.expected) == 2 * len(expected))
    await ended(tasks)


async def test_nothing_is_asked_without_a_pause() -> None:
    sources = FakeSources()
    tasks = await started(sources)
    for number in range(100):
        sources.login = f"token {number}"
        await asyncio.sleep(0)
    assert sources.refreshes == 1
    await ended(tasks)


async def test_login_that_changes_during_a_refresh_is_asked_for_after_the_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refresh, "LOGIN_POLL_SECONDS", 0.001)
    sources = FakeSources()
    refreshed = sources.refresh

    async def change() -> bool:
        sources.login = "second"
        return await refreshed()

    monkeypatch.setattr(sources, "refresh", change)
    tasks = await started(sources)
    await until(lambda: sources.refreshes == 2)
    looks = sources.looks
    await until(lambda: sources.looks >= looks + 5)
    assert sources.refreshes == 2
    await ended(tasks)


async def test_account_models_are_fetched_again_after_the_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refresh, "LOGIN_POLL_SECONDS", 0.001)
    monkeypatch.setattr(refresh, "REFRESH_SECONDS", 0.01)
    sources = FakeSources()
    tasks = await started(sources)
    await until(lambda: sources.refreshes >= 3)
    await ended(tasks)


@pytest.mark.parametrize(
    "error", [OSError("a-secret"), ValueError("a-secret"), ExceptionGroup("a-secret", [OSError()])]
)
async def test_failed_refresh_is_logged_by_its_type_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    monkeypatch.setattr(refresh, "LOGIN_POLL_SECONDS", 0.001)
    monkeypatch.setattr(refresh, "REFRESH_SECONDS", 0.01)
    sources = FakeSources()
    sources.error = error
    tasks = await started(sources)
    await until(lambda: sources.refreshes >= 2)
    await ended(tasks)
    assert type(error).__name__ in caplog.text
    assert "a-secret" not in caplog.text


async def test_cursor_login_is_checked_whenever_it_is_due() -> None:
    sources = FakeSources()
    tasks = await started(sources)
    assert sources.cursor.refreshes == 1
    sources.cursor.due.set()
    await until(lambda: sources.cursor.refreshes == 2)
    await ended(tasks)


async def test_running_shim_fetches_the_models_of_a_new_login(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("addons.proxy.refresh.LOGIN_POLL_SECONDS", 0.01)
    async with running(home):
        assert home.backend.connections == 0
        home.log_in()
        await until(lambda: home.backend.requests)
    assert home.backend.requests[0].line.startswith(b"GET /codex/models?client_version=")


async def test_running_shim_prepares_the_first_turns(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[object] = []
    compiled: list[str] = []
    monkeypatch.setattr("addons.proxy.refresh.load_protocols", loaded.append)
    monkeypatch.setattr(
        "addons.proxy.refresh.compile_before_turns", lambda: map(compiled.append, "ab")
    )
    async with running(home):
        await until(lambda: compiled == ["a", "b"])
    assert len(loaded) == 1


async def test_local_servers_are_watched_on_after_a_failure_that_nobody_foresaw(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(refresh, "LOCAL_SECONDS", 0.001)
    monkeypatch.setattr(refresh, "NO_LOCAL_SECONDS", 0.001)
    sources = FakeSources()
    sources.poll_error = KeyError("a key of nobody")
    tasks = await started(sources)
    await until(lambda: sources.polls >= 3)
    sources.poll_error = None
    polls = sources.polls
    await until(lambda: sources.polls >= polls + 3)
    await ended(tasks)
    assert sources.is_stopped
    assert "asking the model servers on this machine failed: KeyError;" in caplog.text
    assert "a key of nobody" not in caplog.text
