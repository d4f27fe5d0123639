"""The route table while its files are written, removed and broken."""

from __future__ import annotations

import json
import os
from pathlib import Path

import orjson
import pytest

from addons.core.cursor.status import NOT_FOUND
from addons.core.limits import Limits
from addons.core.turn import Answer, ClientRequest, Send
from tests.adapters.homes import CACHE, Home, live
from tests.fakes.account import DAY, Account, fabricated_jwt
from tests.fakes.cursor import FakeCursor


def test_empty_machine_offers_the_demo_and_the_reason_for_the_rest(home: Home) -> None:
    sources = home.open()
    assert live(sources) == ["shim-demo"]
    reason = sources.table().routes["gpt-5.5"].unavailable_reason
    assert "codex login" in reason
    assert sources.login_problem
    assert sources.login_problem.message == reason


def test_login_offers_the_account_and_disables_the_demo(home: Home) -> None:
    sources = home.open()
    home.log_in()
    assert live(sources) == ["gpt-5.5", "gpt-6-sol"]
    assert [route.entry for route in sources.table().live] == CACHE["models"]
    assert sources.table().routes["shim-demo"].unavailable_reason
    assert sources.login_problem is None


def test_table_follows_the_login_without_a_restart(home: Home) -> None:
    sources = home.open()
    home.log_in()
    assert "gpt-5.5" in live(sources)
    home.log_out()
    assert live(sources) == ["shim-demo"]
    home.log_in(home.account.renewed())
    assert "gpt-5.5" in live(sources)


def test_login_expires_by_the_clock_alone(tmp_path: Path) -> None:
    home = Home(tmp_path)
    token = fabricated_jwt("acct-1", DAY)
    home.log_in(Account("acct-1", token, token))
    sources = home.open()
    assert "gpt-5.5" in live(sources)
    home.now = 10e9
    assert live(sources) == ["shim-demo"]
    assert sources.login_problem
    assert "has expired" in sources.login_problem.message


def test_half_written_login_keeps_the_last_good_one_for_a_while(home: Home) -> None:
    sources = home.open()
    home.log_in()
    before = sources.table()
    auth = home.codex / "auth.json"
    auth.write_bytes(auth.read_bytes()[:40])
    assert sources.table() is before
    home.now += 60
    assert live(sources) == ["shim-demo"]


def test_half_written_login_at_start_up_is_reported_as_damaged(home: Home) -> None:
    (home.codex / "auth.json").write_text('{"tokens": {"acc')
    sources = home.open()
    assert live(sources) == ["shim-demo"]
    assert sources.login_problem
    assert "is damaged" in sources.login_problem.message


def test_table_is_the_same_object_while_nothing_changed(home: Home) -> None:
    sources = home.open()
    first = sources.table()
    assert sources.table() is first
    home.log_in()
    second = sources.table()
    assert second is not first
    home.log_in()
    assert sources.table() is second, "the same login written again changes no route"


def test_settings_are_read_again_when_they_change(home: Home) -> None:
    sources = home.open()
    assert sources.settings.limits == Limits()
    home.settings.write_text('{"limits": {"stall_seconds": 7}, "aliases": {"fast": "shim-demo"}}')
    first = sources.settings
    assert first.limits.stall_seconds == 7
    assert sources.settings is first
    route = sources.table().resolve("fast")
    assert route
    assert route.slug == "shim-demo"


@pytest.mark.parametrize("broken", ['{"limits"', "", "7"])
def test_broken_settings_leave_the_last_good_ones_in_force(home: Home, broken: str) -> None:
    home.settings.write_text('{"limits": {"stall_seconds": 7}}')
    sources = home.open()
    assert sources.settings.limits.stall_seconds == 7
    home.settings.write_text(broken)
    assert sources.settings.limits.stall_seconds == 7
    [problem] = sources.settings.problems
    assert problem.startswith(f"{home.settings}: ")
    home.settings.write_text("{}")
    assert sources.settings.limits == Limits()
    assert sources.settings.problems == ()


def test_unreadable_settings_are_reported_until_they_are_readable(home: Home) -> None:
    text = '{"limits": {"stall_seconds": 7}}'
    home.settings.write_text(text)
    sources = home.open()
    assert sources.settings.limits.stall_seconds == 7
    home.settings.unlink()
    home.settings.mkdir()
    assert sources.settings.limits.stall_seconds == 7
    assert sources.settings is sources.settings
    [problem] = sources.settings.problems
    assert problem.startswith(f"{home.settings}: ")
    home.settings.rmdir()
    home.settings.write_text(text)
    assert not sources.settings.problems


def test_removed_settings_restore_the_defaults(home: Home) -> None:
    home.settings.write_text('{"limits": {"stall_seconds": 7}}')
    sources = home.open()
    assert sources.settings.limits.stall_seconds == 7
    home.settings.unlink()
    assert sources.settings.limits == Limits()


def test_demo_uses_the_limits_of_the_settings(home: Home) -> None:
    home.settings.write_text('{"limits": {"body_bytes": 50}}')
    table = home.open().table()
    route = table.routes["shim-demo"]
    body = orjson.dumps({"model": "shim-demo", "input": "x" * 100})
    step = route.make_plan(ClientRequest("POST", "/v1/responses", (), body), route).start()
    assert isinstance(step, Answer)
    assert step.reply.head.status == 413


def test_slug_of_an_earlier_shim_is_an_alias(home: Home) -> None:
    home.log_in()
    route = home.open().table().resolve("openai-gpt-5-5")
    assert route
    assert route.slug == "gpt-5.5"


@pytest.mark.parametrize("url", ["http://chatgpt.example/x", "chatgpt.com", "https://a:b@c"])
def test_unusable_base_url_is_an_error_with_its_variable(tmp_path: Path, url: str) -> None:
    home = Home(tmp_path, CODEX_SHIM_CHATGPT_BASE_URL=url)
    with pytest.raises(ValueError, match="CODEX_SHIM_CHATGPT_BASE_URL"):
        home.open()


def test_etag_of_the_account_is_returned_only_for_exactly_its_catalog(home: Home) -> None:
    state = Path(home.env["CODEX_SHIM_STATE_DIR"])
    state.mkdir()
    known = {**CACHE, "etag": 'W/"1"', "status": "account", "fetched_at": 5.0}
    (state / "account_models.json").write_text(json.dumps(known))
    sources = home.open()
    assert sources.models_etag() is None, "the demo is offered"
    home.log_in()
    assert sources.models_etag() == 'W/"1"'


async def test_refresh_without_a_login_changes_nothing(home: Home) -> None:
    sources = home.open()
    before = sources.table()
    assert not await sources.refresh()
    assert sources.table() is before


def test_table_reads_no_unchanged_file(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.log_in()
    home.settings.write_text("{}")
    for path in (home.settings, home.codex / "auth.json"):
        os.utime(path, (1, 1))
    sources = home.open()
    sources.table()
    opened: list[object] = []
    monkeypatch.setattr(os, "open", lambda *args: opened.append(args))
    sources.table()
    assert not opened


def test_unavailable_cursor_models_have_a_reason(home: Home) -> None:
    sources = home.open()
    table = sources.table()
    for name in ("composer-2-5", "composer-2.5", "composer-2-5-fast", "composer-2.5-fast"):
        route = table.resolve(name)
        assert route
        assert (route.provider, route.unavailable_reason) == ("cursor", NOT_FOUND.reason)
    assert sources.reasons["cursor"] == NOT_FOUND.reason


def test_wrong_cursor_setting_is_a_problem(tmp_path: Path) -> None:
    sources = Home(tmp_path, CODEX_SHIM_CURSOR_MODE="boss").open()
    [problem] = sources.problems
    assert "CODEX_SHIM_CURSOR_MODE" in problem


@pytest.mark.skipif(os.name == "nt", reason="Cursor models need WSL there")
async def test_table_follows_the_cursor_login(tmp_path: Path) -> None:
    fake = FakeCursor(tmp_path / "fake")
    fake.install()
    sources = Home(tmp_path, PATH=fake.path, **fake.env).open()
    before = sources.table()
    await sources.cursor.refresh()
    assert live(sources) == ["composer-2-5", "composer-2-5-fast"]
    assert sources.table() is sources.table()
    assert before.routes["shim-demo"].live
    assert not sources.table().routes["shim-demo"].live
    assert sources.models_etag() is None
    fake.login("out")
    await sources.cursor.refresh()
    assert live(sources) == ["shim-demo"]


def test_endpoint_of_the_backend_follows_the_login_without_a_restart(home: Home) -> None:
    sources = home.open()
    codex = ((b"originator", b"codex_exec"),)
    request = ClientRequest("POST", "/v1/alpha/search", codex, b"{}")
    refused = sources.plan_endpoint(request).start()
    assert isinstance(refused, Answer)
    assert refused.reply.head.status == 401
    home.log_in()
    step = sources.plan_endpoint(request).start()
    assert isinstance(step, Send)
    assert step.request.origin == sources.account.base.origin
    assert step.request.path.endswith("/alpha/search")
