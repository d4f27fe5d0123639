"""What a running shim tells of Cursor: in /health and /v1/models, in each state, without a restart, without a wait."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from addons.core.cursor.status import DISABLED, NOT_FOUND
from tests.boundary.cursor_shim import CODEX, CursorHome, CursorShim, cursor_shim
from tests.conformance import check
from tests.support.waiting import until


@pytest.fixture
def home(tmp_path: Path) -> CursorHome:
    return CursorHome(tmp_path)


async def reason(shim: CursorShim) -> str:
    """What /health says, which has to agree with the models."""
    error_reply = await shim.health()
    slugs = await shim.slugs()
    why = error_reply["reasons"].get("cursor", "")
    assert error_reply["cursor_passthrough"] is (why == "")
    assert ("composer-2-5" in slugs) is (why == "")
    assert ("shim-demo" in slugs) is (why != "")
    return str(why)


async def test_without_a_binary(home: CursorHome) -> None:
    (home.fake.bin / "cursor-agent").unlink()
    async with cursor_shim(home) as shim:
        assert await reason(shim) == NOT_FOUND.reason
        refused = await shim.post(shim.body(), CODEX)
        assert "is not installed" in refused.body.decode()
        home.fake.install()
        await shim.is_live()
        assert await reason(shim) == ""


async def test_switched_off(home: CursorHome) -> None:
    home.more = {"CODEX_SHIM_DISABLE_CURSOR": "1"}
    async with cursor_shim(home) as shim:
        assert await reason(shim) == DISABLED.reason
    assert home.fake.status_queries == 0


async def test_a_login_and_a_logout_are_noticed_without_a_restart(home: CursorHome) -> None:
    home.fake.login("out")
    async with cursor_shim(home) as shim:
        await until(lambda: "logged out" in shim.shim.sources.cursor.reason)
        assert "cursor-agent login" in await reason(shim)
        home.fake.login("in")
        await shim.is_live()
        assert await reason(shim) == ""
        assert check((await shim.turn()).body)["type"] == "response.completed"
        home.fake.login("out")
        await until(lambda: shim.shim.sources.cursor.reason)
        assert "cursor-agent login" in await reason(shim)


async def test_hanging_status_command_delays_no_turn(home: CursorHome) -> None:
    home.fake.login("hangs")
    async with cursor_shim(home) as shim:
        await until(lambda: home.fake.status_queries)
        for _ in range(20):
            assert "is being asked" in await reason(shim)
        assert home.fake.status_queries == 1
    assert not home.fake.alive


async def test_health_and_models_send_no_request(home: CursorHome) -> None:
    home.more = {"CODEX_SHIM_CURSOR_STATUS_SECONDS": "600"}
    async with cursor_shim(home) as shim:
        await shim.is_live()
        for _ in range(20):
            assert await reason(shim) == ""
        await shim.turn()
    assert home.fake.status_queries == 1


async def test_logged_out_turn_triggers_a_login_check(home: CursorHome) -> None:
    home.more = {"CODEX_SHIM_CURSOR_STATUS_SECONDS": "600"}
    async with cursor_shim(home) as shim:
        await shim.is_live()
        home.fake.login("out")
        home.fake.play("auth")
        assert check((await shim.turn()).body)["type"] == "response.failed"
        await until(lambda: shim.shim.sources.cursor.reason)
    assert home.fake.status_queries == 2


async def test_the_last_answer_serves_until_the_next(home: CursorHome) -> None:
    async with cursor_shim(home) as shim:
        await shim.is_live()
        await until(shim.shim.sources.cursor.file.exists)
    home.fake.login("hangs")
    async with cursor_shim(home) as shim:
        assert await reason(shim) == ""


async def test_the_login_is_not_asked_for_while_a_child_starts(home: CursorHome) -> None:
    """Both write Cursor's settings file at their start."""
    home.more = {"CODEX_SHIM_CURSOR_STATUS_SECONDS": "600"}
    home.fake.play("waits_to_begin")
    async with cursor_shim(home) as shim:
        await shim.is_live()
        turn = asyncio.ensure_future(shim.turn())
        await until(lambda: home.fake.turns)
        asked = home.fake.status_queries
        await shim.shim.sources.cursor.refresh()
        assert home.fake.status_queries == asked
        (home.fake.notes / "begin-0").touch()
        assert check((await turn).body)["type"] == "response.completed"
        await shim.shim.sources.cursor.refresh()
        assert home.fake.status_queries > asked
