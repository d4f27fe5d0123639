"""Faults around a turn: connections that end, abandoned attempts, clocks that jump, files that change, full disks."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from addons.adapters.ledger.turn_log import AccessLog, Ledger
from addons.adapters.system.paths import access_log_file, ledger_file
from tests.fakes.account import DAY, Account
from tests.faults.oracle import seen_in
from tests.faults.routes import ROUTES, WITH_UPSTREAM, Family, RouteKind
from tests.faults.shim import CLIENTS, CODEX, SDK, RunningShim, complete_answer, running_shim
from tests.support.client import client
from tests.support.upstream import Exchange, Script
from tests.support.waiting import until, within

ALL = pytest.mark.parametrize("route", ROUTES, ids=str)
EACH = pytest.mark.parametrize("route", WITH_UPSTREAM, ids=str)
ROWS = pytest.mark.parametrize("route", [r for r in WITH_UPSTREAM if r.row], ids=str)


def gated(route: RouteKind, gate: asyncio.Event) -> Script:
    """Return the script of a healthy answer that waits in its middle."""

    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(route.healthy.begin)
        await within(gate)
        await exchange.chunk(route.healthy.middle + route.healthy.end + route.healthy.tail)
        await exchange.end()

    return script


async def during_a_turn(shim: RunningShim, act: Callable[[], None]) -> None:
    """Do something in the middle of a turn. The turn still gets a whole answer."""
    gate = asyncio.Event()
    shim.play(gated(shim.route, gate))
    async with client(shim.port) as c:
        await shim.post(c, CODEX)
        begun = await c.head()
        first = await c.chunk()
        act()
        gate.set()
        response = await c.rest(begun)
    response.body = first + response.body
    shim.check_whole(response)


# Connections and attempts ---------------------------------------------------------------------------------------


@EACH
async def test_turn_works_after_an_idle_connection_was_closed_by_the_upstream(
    folder: Path, route: RouteKind
) -> None:
    async def then_closes(exchange: Exchange) -> None:
        await complete_answer(route)(exchange)
        exchange.writer.close()

    async with running_shim(route, folder) as shim, client(shim.port) as c:
        shim.play(then_closes, complete_answer(route))
        for _ in range(2):
            await shim.post(c, CODEX)
            shim.check_whole(await c.response())
            shim.up.gone.clear()
        await shim.check_next_turns()


@EACH
async def test_turn_is_retried_when_an_idle_connection_closes_as_it_is_used(
    folder: Path, route: RouteKind
) -> None:
    async def closes(exchange: Exchange) -> None:
        exchange.writer.close()

    async with running_shim(route, folder) as shim, client(shim.port) as c:
        shim.play(complete_answer(route), closes, complete_answer(route))
        for _ in range(2):
            await shim.post(c, SDK)
            shim.check_whole(await c.response())
        assert shim.model_requests() == 3
        await shim.check_next_turns()


@ROWS
async def test_late_bytes_of_an_abandoned_attempt_do_not_reach_the_client(
    folder: Path, route: RouteKind
) -> None:
    written = asyncio.Event()

    async def late(exchange: Exchange) -> None:
        await exchange.head(b"content-length: 100000", status=b"503 Busy")
        await exchange.closed()
        exchange.writer.write(b"late-bytes" * 1000)
        written.set()

    async with running_shim(route, folder) as shim:
        shim.play(late, complete_answer(route))
        response = await shim.ask(CODEX)
        await within(written)
        shim.check_whole(response)
        assert b"late-bytes" not in response.body
        await shim.check_next_turns()


# Clocks -------------------------------------------------------------------------------------------------------


@ALL
@pytest.mark.parametrize("jump", [-3 * DAY, 3 * DAY])
async def test_turn_works_while_the_clock_jumps(
    folder: Path, monkeypatch: pytest.MonkeyPatch, route: RouteKind, jump: int
) -> None:
    real = time.time

    def change_clock() -> None:
        monkeypatch.setattr(time, "time", lambda: real() + jump)

    async with running_shim(route, folder) as shim:
        if route.family is Family.LOCAL:
            change_clock()
            shim.check_whole(await shim.ask(CODEX))
        else:
            await during_a_turn(shim, change_clock)
        await shim.check_next_turns()


# Files --------------------------------------------------------------------------------------------------------


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def unreadable(path: Path) -> None:
    """Put a folder in its place. A file mode would not stop root from reading."""
    path.unlink()
    path.mkdir()


DAMAGE = pytest.mark.parametrize("damage", [truncate, empty, unreadable])


@ROWS
@DAMAGE
async def test_last_good_settings_stay_in_force_when_the_file_is_damaged(
    folder: Path, route: RouteKind, damage: Callable[[Path], None]
) -> None:
    async with running_shim(route, folder) as shim:
        await during_a_turn(shim, lambda: damage(shim.settings))
        await shim.check_next_turns()


@ROWS
async def test_models_of_removed_settings_are_reported_as_not_found(
    folder: Path, route: RouteKind
) -> None:
    async with running_shim(route, folder) as shim:
        kept = shim.settings.read_bytes()
        await during_a_turn(shim, shim.settings.unlink)
        codex, sdk = await shim.ask(CODEX), await shim.ask(SDK)
        for response in (codex, sdk):
            assert (response.status, seen_in(response).code) == (404, "model_not_found")
        shim.settings.write_bytes(kept)
        await shim.check_next_turns()


def account() -> RouteKind:
    return next(route for route in ROUTES if route.family is Family.ACCOUNT)


@pytest.mark.parametrize("damage", [truncate, empty])
async def test_last_good_login_is_used_while_the_file_is_half_written(
    folder: Path, damage: Callable[[Path], None]
) -> None:
    async with running_shim(account(), folder) as shim:
        shim.check_whole(await shim.ask(CODEX))
        await during_a_turn(shim, lambda: damage(shim.auth))
        await shim.check_next_turns()


@pytest.mark.parametrize("damage", [Path.unlink, unreadable])
async def test_missing_login_is_reported_and_a_new_one_is_used(
    folder: Path, damage: Callable[[Path], None]
) -> None:
    async with running_shim(account(), folder) as shim:
        shim.check_whole(await shim.ask(CODEX))
        await during_a_turn(shim, lambda: damage(shim.auth))
        shim.master.shim.sources.logins.reread()
        codex, sdk = seen_in(await shim.ask(CODEX)), seen_in(await shim.ask(SDK))
        if damage is Path.unlink:
            assert (codex.terminal, codex.code) == ("response.failed", "invalid_prompt")
            assert (sdk.status, "codex login" in sdk.message) == (401, True)
        else:
            shim.auth.rmdir()
        Account().write(shim.auth.parent)
        await shim.check_next_turns()


async def test_next_turn_uses_all_values_of_a_replaced_login(folder: Path) -> None:
    other = Account()
    async with running_shim(account(), folder) as shim:
        await during_a_turn(shim, lambda: other.write(shim.auth.parent))
        shim.play(complete_answer(shim.route))
        shim.check_whole(await shim.ask(CODEX))
        turn = next(r for r in shim.up.requests if b"POST" in r.line)
        assert turn.header(b"authorization") == b"Bearer " + other.access_token.encode()
        assert turn.header(b"chatgpt-account-id") == other.account_id.encode()


# Disks --------------------------------------------------------------------------------------------------------


@ALL
async def test_turn_works_while_the_disk_is_full(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    route: RouteKind,
) -> None:
    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def full(*_: object) -> None:
        msg = "database or disk is full"
        raise sqlite3.OperationalError(msg)

    monkeypatch.setattr(AccessLog, "write", no_space)
    monkeypatch.setattr(Ledger, "write", full)
    async with running_shim(route, folder) as shim:
        for who in CLIENTS.values():
            shim.check_whole(await shim.ask(who))
        await until(lambda: "ledger cannot be written" in caplog.text)
        assert "access log cannot be written" in caplog.text
        await shim.check_next_turns()


@ALL
async def test_turns_are_rejected_when_the_state_folder_cannot_be_created(
    folder: Path, route: RouteKind
) -> None:
    (folder / "file").write_text("no folder")
    state = {"CODEX_SHIM_STATE_DIR": str(folder / "file" / "state")}
    async with running_shim(route, folder, env=state) as shim:
        codex, sdk = seen_in(await shim.ask(CODEX)), seen_in(await shim.ask(SDK))
        assert (codex.code, sdk.status) == ("invalid_prompt", 403)
        assert "CODEX_SHIM_REQUIRE_TOKEN=0" in codex.message
        assert shim.model_requests() == 0


@ALL
async def test_turn_works_without_a_state_folder_when_no_token_is_required(
    folder: Path, route: RouteKind
) -> None:
    (folder / "file").write_text("no folder")
    state = {
        "CODEX_SHIM_STATE_DIR": str(folder / "file" / "state"),
        "CODEX_SHIM_REQUIRE_TOKEN": "0",
    }
    async with running_shim(route, folder, env=state) as shim:
        await shim.check_next_turns()


async def test_files_in_the_state_folder_are_readable_by_the_user_only(folder: Path) -> None:
    async with running_shim(ROUTES[1], folder) as shim:
        shim.hold()
        async with client(shim.port) as c:
            await shim.post(c, CODEX)
            await c.head()
            c.abort()
        await shim.check_next_turns()
        env = {"CODEX_SHIM_STATE_DIR": str(folder / "state")}
        await until(lambda: ledger_file(env).exists() and access_log_file(env).exists())
    made = [folder / "state", *(folder / "state").rglob("*")]
    assert len(made) >= 3
    for path in made:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
