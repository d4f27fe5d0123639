"""Rows of models.json in the one table: what each offers, hides, leads to, and says when it cannot be used."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import orjson
import pytest

from addons.core.turn import ClientRequest, Head, Send
from tests.origins.homes import Home, live

ROW = {"model": "glm-5", "provider": "generic", "base_url": "https://a.example/v1", "api_key": "k"}


def put_rows(home: Home, *rows: object, **more: object) -> None:
    home.settings.write_text(json.dumps({"models": rows, **more}))


def test_rows_are_offered_behind_the_account_and_hide_the_demo(home: Home) -> None:
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


def test_a_row_wins_over_the_accounts_model_of_its_slug_while_it_is_live(home: Home) -> None:
    sources = home.open()
    home.log_in()
    put_rows(home, {**ROW, "slug": "gpt-5.5"})
    routes = sources.table().routes
    assert (routes["gpt-5.5"].provider, routes["gpt-5.5"].model) == ("generic", "glm-5")
    assert live(sources) == ["gpt-6-sol", "gpt-5.5"]
    put_rows(home, {**ROW, "slug": "gpt-5.5", "enabled": False})
    assert sources.table().routes["gpt-5.5"].provider == "chatgpt"


def test_a_model_that_one_row_has_leads_to_it(home: Home) -> None:
    put_rows(home, {**ROW, "model": "vendor/GLM-5"}, aliases={"fast": "vendor-glm-5"})
    table = home.open().table()
    for name in ("vendor/GLM-5", "vendor-glm-5", "fast"):
        route = table.resolve(name)
        assert route, name
        assert route.slug == "vendor-glm-5"


@pytest.mark.parametrize("broken", ["{", "", '{"models": 7}'])
def test_a_broken_file_keeps_the_rows_and_is_told(home: Home, broken: str) -> None:
    sources = home.open()
    put_rows(home, ROW)
    assert live(sources) == ["glm-5"]
    home.settings.write_text(broken)
    assert live(sources) == ["glm-5"]
    [problem] = sources.problems
    assert problem.startswith(f"{home.settings}: ")
    put_rows(home, ROW)
    assert sources.problems == ()


def test_a_broken_row_is_a_problem_and_a_reason(home: Home) -> None:
    sources = home.open()
    put_rows(home, ROW, {"model": "bad", "provider": "generic"})
    assert live(sources) == ["glm-5"]
    [problem] = sources.problems
    assert 'models[1] "bad": base_url: it is required' in problem
    assert problem in sources.reasons["bad"]
    assert "codex login" in sources.reasons["chatgpt"]
    assert "glm-5" not in sources.reasons


def test_a_key_that_comes_or_goes_changes_the_table(tmp_path: Path) -> None:
    home = Home(tmp_path)
    put_rows(home, {**ROW, "api_key": None, "api_key_file": "key"})
    sources = home.open()
    assert live(sources) == ["shim-demo"]
    assert "does not exist" in sources.reasons["glm-5"]
    (home.settings.parent / "key").write_text("k")
    assert live(sources) == ["glm-5"]
    (home.settings.parent / "key").unlink()
    assert live(sources) == ["shim-demo"]


def test_a_fallback_that_is_no_model_is_told(home: Home) -> None:
    put_rows(home, {**ROW, "fallback": ["gone", "llama3"]}, "llama3", chatgpt={"fallback": "away"})
    problems = home.open().problems
    assert [problem.partition("fallback: ")[2] for problem in problems] == [
        "'away' is no model",
        "'gone' is no model",
    ]


def test_chatgpt_hands_on_to_a_row(home: Home) -> None:
    home.log_in()
    put_rows(home, ROW, chatgpt={"fallback": ["glm-5"]})
    route = home.open().table().routes["gpt-5.5"]
    body = orjson.dumps({"model": "gpt-5.5", "input": "x", "stream": True, "store": False})
    plan = route.make_plan(ClientRequest("POST", "/v1/responses", (), body), route)
    assert isinstance(plan.start(), Send)
    step = plan.on_head(Head(429))
    assert isinstance(step, Send)
    assert step.wire.origin.host == "a.example"


@pytest.mark.parametrize(("port", "loop"), [("", 8765), ("8770", 8770)])
def test_a_row_that_points_at_ourselves_is_hidden(tmp_path: Path, port: str, loop: int) -> None:
    home = Home(tmp_path, CODEX_SHIM_PORT=port)
    put_rows(home, {**ROW, "base_url": f"http://127.0.0.1:{loop}/v1"})
    assert "own port" in home.open().reasons["glm-5"]


async def test_commands_are_run_ahead_of_the_first_turn(home: Home) -> None:
    put_rows(home, {**ROW, "api_key": None, "auth_command": "/no/such/program"})
    sources = home.open()
    assert live(sources) == ["glm-5"]
    assert not sources.problems
    await sources.refresh()
    for thread in threading.enumerate():
        if thread.name == "auth_command":
            thread.join(20)
    assert "could not be started" in sources.problems[0]


def test_a_key_is_in_no_text_of_the_sources(home: Home) -> None:
    put_rows(home, {**ROW, "api_key": "sk-canary"}, {"model": "b", "api_key": "sk-canary"})
    sources = home.open()
    said = [
        repr(sources.table()),
        repr(sources.rows),
        repr(sources.problems),
        repr(sources.reasons),
    ]
    entries = [orjson.dumps(dict(route.entry)) for route in sources.table().live]
    assert "sk-canary" not in "".join(said)
    assert b"sk-canary" not in b"".join(entries)


def test_a_row_of_the_user_goes_before_cursors_model(home: Home) -> None:
    sources = home.open()
    put_rows(home, {**ROW, "slug": "composer-2-5"})
    route = sources.table().resolve("composer-2-5")
    assert route
    assert (route.provider, route.live) == (ROW["provider"], True)
