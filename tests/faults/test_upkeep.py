"""What happens around a turn: connections that end, attempts given up, clocks that jump, files that change, full disks."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from addons.origins.access_log import AccessLog
from addons.origins.ledger import Ledger
from addons.origins.paths import access_log_file, ledger_file
from tests.fakes.account import DAY, Account
from tests.faults.oracle import seen_in
from tests.faults.routes import ROUTES, WITH_UPSTREAM, Family, RouteKind
from tests.faults.stage import CLIENTS, CODEX, SDK, Stage, stage, whole
from tests.support.client import client
from tests.support.upstream import Exchange, Script
from tests.support.waiting import until, within

ALL = pytest.mark.parametrize("route", ROUTES, ids=str)
EACH = pytest.mark.parametrize("route", WITH_UPSTREAM, ids=str)
ROWS = pytest.mark.parametrize("route", [r for r in WITH_UPSTREAM if r.row], ids=str)


def gated(route: RouteKind, gate: asyncio.Event) -> Script:
    """A healthy answer that waits in its middle."""

    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(route.speech.begin)
        await within(gate)
        await exchange.chunk(route.speech.middle + route.speech.end + route.speech.tail)
        await exchange.end()

    return script


async def during_a_turn(one: Stage, act: Callable[[], None]) -> None:
    """Do something in the middle of a turn; that turn is answered whole all the same."""
    gate = asyncio.Event()
    one.play(gated(one.route, gate))
    async with client(one.port) as c:
        await one.post(c, CODEX)
        begun = await c.head()
        first = await c.chunk()
        act()
        gate.set()
        response = await c.rest(begun)
    response.body = first + response.body
    one.is_whole(response)


# Connections and attempts ---------------------------------------------------------------------------------------


@EACH
async def test_a_kept_connection_that_ended_meanwhile_costs_no_turn(
    folder: Path, route: RouteKind
) -> None:
    async def then_closes(exchange: Exchange) -> None:
        await whole(route)(exchange)
        exchange.writer.close()

    async with stage(route, folder) as one, client(one.port) as c:
        one.play(then_closes, whole(route))
        for _ in range(2):
            await one.post(c, CODEX)
            one.is_whole(await c.response())
            one.up.gone.clear()
        await one.works()


@EACH
async def test_a_kept_connection_that_ends_at_the_next_turn_is_tried_once_more(
    folder: Path, route: RouteKind
) -> None:
    async def closes(exchange: Exchange) -> None:
        exchange.writer.close()

    async with stage(route, folder) as one, client(one.port) as c:
        one.play(whole(route), closes, whole(route))
        for _ in range(2):
            await one.post(c, SDK)
            one.is_whole(await c.response())
        assert one.model_requests() == 3
        await one.works()


@ROWS
async def test_late_bytes_of_an_attempt_that_was_given_up_reach_nobody(
    folder: Path, route: RouteKind
) -> None:
    written = asyncio.Event()

    async def late(exchange: Exchange) -> None:
        await exchange.head(b"content-length: 100000", status=b"503 Busy")
        await exchange.closed()
        exchange.writer.write(b"late-bytes" * 1000)
        written.set()

    async with stage(route, folder) as one:
        one.play(late, whole(route))
        response = await one.ask(CODEX)
        await within(written)
        one.is_whole(response)
        assert b"late-bytes" not in response.body
        await one.works()


# Clocks -------------------------------------------------------------------------------------------------------


@ALL
@pytest.mark.parametrize("jump", [-3 * DAY, 3 * DAY])
async def test_a_clock_that_jumps_costs_no_turn(
    folder: Path, monkeypatch: pytest.MonkeyPatch, route: RouteKind, jump: int
) -> None:
    real = time.time

    def leap() -> None:
        monkeypatch.setattr(time, "time", lambda: real() + jump)

    async with stage(route, folder) as one:
        if route.family is Family.LOCAL:
            leap()
            one.is_whole(await one.ask(CODEX))
        else:
            await during_a_turn(one, leap)
        await one.works()


# Files --------------------------------------------------------------------------------------------------------


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def unreadable(path: Path) -> None:
    """A folder in its place: no mode keeps root from reading."""
    path.unlink()
    path.mkdir()


SPOIL = pytest.mark.parametrize("spoil", [truncate, empty, unreadable])


@ROWS
@SPOIL
async def test_settings_spoiled_while_serving_leave_the_last_good_ones_in_force(
    folder: Path, route: RouteKind, spoil: Callable[[Path], None]
) -> None:
    async with stage(route, folder) as one:
        await during_a_turn(one, lambda: spoil(one.settings))
        await one.works()


@ROWS
async def test_settings_removed_while_serving_take_the_rows_away_in_words(
    folder: Path, route: RouteKind
) -> None:
    async with stage(route, folder) as one:
        kept = one.settings.read_bytes()
        await during_a_turn(one, one.settings.unlink)
        codex, sdk = await one.ask(CODEX), await one.ask(SDK)
        for response in (codex, sdk):
            assert (response.status, seen_in(response).code) == (404, "model_not_found")
        one.settings.write_bytes(kept)
        await one.works()


def account() -> RouteKind:
    return next(route for route in ROUTES if route.family is Family.ACCOUNT)


@pytest.mark.parametrize("spoil", [truncate, empty])
async def test_a_login_caught_half_written_is_covered_by_the_last_good_one(
    folder: Path, spoil: Callable[[Path], None]
) -> None:
    async with stage(account(), folder) as one:
        one.is_whole(await one.ask(CODEX))
        await during_a_turn(one, lambda: spoil(one.auth))
        await one.works()


@pytest.mark.parametrize("spoil", [Path.unlink, unreadable])
async def test_a_login_that_is_gone_is_told_and_its_return_noticed(
    folder: Path, spoil: Callable[[Path], None]
) -> None:
    async with stage(account(), folder) as one:
        one.is_whole(await one.ask(CODEX))
        await during_a_turn(one, lambda: spoil(one.auth))
        one.master.shim.sources.logins.reread()
        codex, sdk = seen_in(await one.ask(CODEX)), seen_in(await one.ask(SDK))
        if spoil is Path.unlink:
            assert (codex.terminal, codex.code) == ("response.failed", "invalid_prompt")
            assert (sdk.status, "codex login" in sdk.message) == (401, True)
        else:
            one.auth.rmdir()
        Account().write(one.auth.parent)
        await one.works()


async def test_a_swapped_login_is_used_whole_by_the_next_turn(folder: Path) -> None:
    other = Account()
    async with stage(account(), folder) as one:
        await during_a_turn(one, lambda: other.write(one.auth.parent))
        one.play(whole(one.route))
        one.is_whole(await one.ask(CODEX))
        turn = next(r for r in one.up.requests if b"POST" in r.line)
        assert turn.header(b"authorization") == b"Bearer " + other.access_token.encode()
        assert turn.header(b"chatgpt-account-id") == other.account_id.encode()


# Disks --------------------------------------------------------------------------------------------------------


@ALL
async def test_a_full_disk_costs_the_books_and_no_turn(
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
    async with stage(route, folder) as one:
        for who in CLIENTS.values():
            one.is_whole(await one.ask(who))
        await until(lambda: "ledger cannot be written" in caplog.text)
        assert "access log cannot be written" in caplog.text
        await one.works()


@ALL
async def test_a_state_folder_that_cannot_be_made_shuts_the_door_unless_told_otherwise(
    folder: Path, route: RouteKind
) -> None:
    (folder / "file").write_text("no folder")
    state = {"CODEX_SHIM_STATE_DIR": str(folder / "file" / "state")}
    async with stage(route, folder, env=state) as one:
        codex, sdk = seen_in(await one.ask(CODEX)), seen_in(await one.ask(SDK))
        assert (codex.code, sdk.status) == ("invalid_prompt", 403)
        assert "CODEX_SHIM_REQUIRE_TOKEN=0" in codex.message
        assert one.model_requests() == 0


@ALL
async def test_a_state_folder_that_cannot_be_made_costs_no_turn(
    folder: Path, route: RouteKind
) -> None:
    (folder / "file").write_text("no folder")
    state = {
        "CODEX_SHIM_STATE_DIR": str(folder / "file" / "state"),
        "CODEX_SHIM_REQUIRE_TOKEN": "0",
    }
    async with stage(route, folder, env=state) as one:
        await one.works()


async def test_what_is_written_is_its_owners_alone(folder: Path) -> None:
    async with stage(ROUTES[1], folder) as one:
        one.hold()
        async with client(one.port) as c:
            await one.post(c, CODEX)
            await c.head()
            c.abort()
        await one.works()
        env = {"CODEX_SHIM_STATE_DIR": str(folder / "state")}
        await until(lambda: ledger_file(env).exists() and access_log_file(env).exists())
    made = [folder / "state", *(folder / "state").rglob("*")]
    assert len(made) >= 3
    for path in made:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
