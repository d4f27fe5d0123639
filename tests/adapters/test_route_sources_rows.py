"""Rows of models.json in the route table: which are live, which are not, and why."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import orjson
import pytest

from addons.adapters.codex.login_file import LoginFile
from addons.core.turn import ClientRequest, Collect, Head, Send
from tests.adapters.homes import Home, live

ROW = {"model": "glm-5", "provider": "generic", "base_url": "https://a.example/v1", "api_key": "k"}


def put_rows(home: Home, *rows: object, **more: object) -> None:
    home.settings.write_text(json.dumps({"models": rows, **more}))


def test_rows_follow_the_account_and_disable_the_demo(home: Home) -> None:
    sources = home.open()
    put_rows(home, ROW, "llama3")
    assert live(sources) == ["glm-5", "llama3"]
    home.log_in()
    assert live(sources) == ["gpt-5.5", "gpt-6-sol", "glm-5", "llama3"]
    assert sources.models_etag() is None


def test_rows_are_read_again_without_a_restart(home: Home) -> None:
    sources = home.open()
    put_rows(home, ROW)
    first = sources.table()
    assert sources.table() is first
    put_rows(home, ROW, "llama3")
    assert live(sources) == ["glm-5", "llama3"]
    put_rows(home, {**ROW, "base_url": "https://b.example"})
    assert live(sources) == ["glm-5"]
    home.settings.unlink()
    assert live(sources) == ["shim-demo"]


def test_live_row_wins_over_the_accounts_model_of_the_same_slug(home: Home) -> None:
    sources = home.open()
    home.log_in()
    put_rows(home, {**ROW, "slug": "gpt-5.5"})
    routes = sources.table().routes
    assert (routes["gpt-5.5"].provider, routes["gpt-5.5"].model) == ("generic", "glm-5")
    assert live(sources) == ["gpt-6-sol", "gpt-5.5"]
    put_rows(home, {**ROW, "slug": "gpt-5.5", "enabled": False})
    assert sources.table().routes["gpt-5.5"].provider == "chatgpt"


def test_model_name_of_one_row_is_an_alias_of_it(home: Home) -> None:
    put_rows(home, {**ROW, "model": "vendor/GLM-5"}, aliases={"fast": "vendor-glm-5"})
    table = home.open().table()
    for name in ("vendor/GLM-5", "vendor-glm-5", "fast"):
        route = table.resolve(name)
        assert route, name
        assert route.slug == "vendor-glm-5"


@pytest.mark.parametrize("broken", ["{", "", '{"models": 7}'])
def test_broken_file_keeps_the_rows_and_is_reported(home: Home, broken: str) -> None:
    sources = home.open()
    put_rows(home, ROW)
    assert live(sources) == ["glm-5"]
    home.settings.write_text(broken)
    assert live(sources) == ["glm-5"]
    [problem] = sources.problems
    assert problem.startswith(f"{home.settings}: ")
    put_rows(home, ROW)
    assert sources.problems == ()


def test_broken_row_is_a_problem_and_a_reason(home: Home) -> None:
    sources = home.open()
    put_rows(home, ROW, {"model": "bad", "provider": "generic"})
    assert live(sources) == ["glm-5"]
    [problem] = sources.problems
    assert 'models[1] "bad": base_url: it is required' in problem
    assert problem in sources.reasons["bad"]
    assert "codex login" in sources.reasons["chatgpt"]
    assert "glm-5" not in sources.reasons


def test_added_or_removed_key_changes_the_table(tmp_path: Path) -> None:
    home = Home(tmp_path)
    put_rows(home, {**ROW, "api_key": None, "api_key_file": "key"})
    sources = home.open()
    assert live(sources) == ["shim-demo"]
    assert "does not exist" in sources.reasons["glm-5"]
    (home.settings.parent / "key").write_text("k")
    assert live(sources) == ["glm-5"]
    (home.settings.parent / "key").unlink()
    assert live(sources) == ["shim-demo"]


def test_turn_of_a_row_looks_at_no_login(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    put_rows(home, ROW)
    sources = home.open()
    before = sources.table_for("glm-5")
    home.log_in()
    with monkeypatch.context() as patch:
        patch.setattr(LoginFile, "current", None)
        assert sources.table_for("glm-5") is before
    assert sources.table_for("gpt-5.5").resolve("gpt-5.5")
    assert sources.table_for("glm-5") is sources.table()


def test_turn_of_a_row_follows_its_settings_and_its_key(home: Home) -> None:
    row = {**ROW, "slug": "gpt-5.5", "api_key": None, "api_key_file": "key"}
    key = home.settings.parent / "key"
    home.log_in()
    sources = home.open()
    for is_there, provider in ((True, "generic"), (False, "chatgpt"), (True, "generic")):
        key.write_text("k") if is_there else key.unlink()
        put_rows(home, row)
        route = sources.table_for("gpt-5.5").resolve("gpt-5.5")
        assert route
        assert route.provider == provider
    put_rows(home, {**row, "model": "glm-6"})
    route = sources.table_for("gpt-5.5").resolve("gpt-5.5")
    assert route
    assert route.model == "glm-6"


def test_mistyped_fallback_gets_a_suggestion(home: Home) -> None:
    put_rows(home, ROW, chatgpt={"fallback": "glm5"})
    (problem,) = home.open().problems
    assert problem.endswith("fallback: 'glm5' is no model. Did you mean 'glm-5'?")


def test_unknown_fallback_is_reported(home: Home) -> None:
    put_rows(home, {**ROW, "fallback": ["gone", "llama3"]}, "llama3", chatgpt={"fallback": "away"})
    problems = home.open().problems
    assert [problem.partition("fallback: ")[2] for problem in problems] == [
        "'away' is no model. `codex-shim list` shows the models.",
        "'gone' is no model. `codex-shim list` shows the models.",
    ]


@pytest.mark.parametrize(
    ("slug", "advice"),
    [("glm-55", "Did you mean 'glm-5'?"), ("zzz", "`codex-shim list` shows the models.")],
)
def test_unknown_model_for_helpers_is_reported(home: Home, slug: str, advice: str) -> None:
    put_rows(home, ROW, helpers=slug)
    problem = f"{home.settings}: helpers: '{slug}' is no model. {advice}"
    assert home.open().problems == (problem,)


def test_model_for_helpers_and_own_aliases_are_in_the_table(home: Home) -> None:
    put_rows(home, ROW, helpers="fast", aliases={"fast": "glm-5", "gpt-5.5": "glm-5"})
    sources = home.open()
    assert sources.problems == ()
    table = sources.table()
    assert table.helpers == "fast"
    for slug in ("fast", "gpt-5.5"):
        route = table.resolve(slug)
        assert route
        assert route.slug == "glm-5"


def test_chatgpt_falls_back_to_a_row(home: Home) -> None:
    home.log_in()
    put_rows(home, ROW, chatgpt={"fallback": ["glm-5"]})
    route = home.open().table().routes["gpt-5.5"]
    body = orjson.dumps({"model": "gpt-5.5", "input": "x", "stream": True, "store": False})
    plan = route.make_plan(ClientRequest("POST", "/v1/responses", (), body), route)
    assert isinstance(plan.start(), Send)
    assert isinstance(plan.on_head(Head(429)), Collect)
    step = plan.on_body(Head(429), b"")
    assert isinstance(step, Send)
    assert step.request.origin.host == "a.example"


@pytest.mark.parametrize(("port", "loop"), [("", 8765), ("8770", 8770)])
def test_row_that_names_the_shims_own_port_is_unavailable(
    tmp_path: Path, port: str, loop: int
) -> None:
    home = Home(tmp_path, CODEX_SHIM_PORT=port)
    put_rows(home, {**ROW, "base_url": f"http://127.0.0.1:{loop}/v1"})
    assert "own port" in home.open().reasons["glm-5"]


async def test_key_commands_run_before_the_first_turn(home: Home) -> None:
    put_rows(home, {**ROW, "api_key": None, "auth_command": "/no/such/program"})
    sources = home.open()
    assert live(sources) == ["glm-5"]
    assert not sources.problems
    await sources.refresh()
    for thread in threading.enumerate():
        if thread.name == "auth_command":
            thread.join(20)
    assert "could not be started" in sources.problems[0]


def test_key_is_in_no_text_of_the_sources(home: Home) -> None:
    put_rows(home, {**ROW, "api_key": "sk-canary"}, {"model": "b", "api_key": "sk-canary"})
    sources = home.open()
    texts = [
        repr(sources.table()),
        repr(sources.rows),
        repr(sources.problems),
        repr(sources.reasons),
    ]
    entries = [orjson.dumps(dict(route.entry)) for route in sources.table().live]
    assert "sk-canary" not in "".join(texts)
    assert b"sk-canary" not in b"".join(entries)


def test_row_wins_over_the_cursor_model_of_the_same_slug(home: Home) -> None:
    sources = home.open()
    put_rows(home, {**ROW, "slug": "composer-2-5"})
    route = sources.table().resolve("composer-2-5")
    assert route
    assert (route.provider, route.live) == (ROW["provider"], True)


def test_fallbacks_of_a_slug_are_those_of_its_row_or_of_the_account(home: Home) -> None:
    home.log_in()
    put_rows(home, {**ROW, "fallback": ["llama3"]}, "llama3", chatgpt={"fallback": ["glm-5"]})
    sources = home.open()
    found = {
        slug: list(sources.fallbacks_of(slug)) for slug in ("gpt-5.5", "glm-5", "llama3", "gone")
    }
    assert found == {"gpt-5.5": ["glm-5"], "glm-5": ["llama3"], "llama3": [], "gone": []}
