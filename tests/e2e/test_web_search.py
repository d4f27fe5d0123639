"""Web search of the real Codex on rows of the user's own: the model calls `web.run`, a search service answers."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.e2e.byok.stage import results
from tests.e2e.codex_cli import CodexHome
from tests.e2e.installation import OLDEST, PREVIOUS, VERSION, installed_codex
from tests.e2e.newcomer import OWN, Newcomer
from tests.e2e.shim import logged_turns
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.messages_upstream import MessagesUpstream
from tests.fakes.model_upstream import KEY, ModelUpstream, call, say
from tests.fakes.search_services import SearchServiceFake, reply
from tests.strict import search_services

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

SLUG = "fake-chat"
FOUND = "https://one.example/greetings"


@pytest.fixture(params=["chat"])
def row(request: pytest.FixtureRequest) -> Iterator[ModelUpstream]:
    upstream = ChatUpstream() if request.param == "chat" else MessagesUpstream()
    with upstream as running:
        yield running
    assert running.objections == []


@pytest.fixture
def brave() -> Iterator[SearchServiceFake]:
    with SearchServiceFake("brave") as running:
        yield running
    assert running.refused == []


def newcomer(user: CodexHome, row: ModelUpstream, section: object) -> Newcomer:
    """Return a user with one row and this `web_search` in models.json."""
    provider = "anthropic" if isinstance(row, MessagesUpstream) else "generic-chat-completion-api"
    model = {"model": SLUG, "provider": provider, "base_url": row.base_url}
    settings = user.root / "models.json"
    document = {"models": [{**model, "api_key": KEY, "max_context_limit": 200_000}]}
    settings.write_text(json.dumps(document | ({"web_search": section} if section else {})))
    return Newcomer(user, {"CODEX_SHIM_SETTINGS": str(settings)})


def tools(row: ModelUpstream, at: int) -> list[str]:
    return row.declared(row.bodies[at])


@pytest.mark.parametrize(
    ("version", "row"),
    [(VERSION, "chat"), (VERSION, "messages"), (PREVIOUS, "chat")],
    indirect=["row"],
)
def test_model_of_a_row_searches_the_web(
    user: CodexHome, row: ModelUpstream, brave: SearchServiceFake, version: str
) -> None:
    user.codex = installed_codex(version)
    key = search_services.KEY
    someone = newcomer(user, row, {"service": "brave", "base_url": brave.base_url, "api_key": key})
    try:
        report = someone.ok("enable")
        assert "web search on models of your own" in report.partition("  off")[0]
        arguments = {"search_query": [{"q": "Grüße", "recency": 7}], "response_length": "medium"}
        opened = {"open": [{"ref_id": "http://127.0.0.1:9/"}]}
        row.play(
            say("", call("web__run", "call_1", **arguments)),
            say("", call("web__run", "call_2", **opened)),
            say("They say hello."),
        )

        run = user.exec("What do people say?", "-m", SLUG)

        assert run.messages[-1] == "They say hello.", (run.errors, run.stderr)
        assert "web_search" in json.dumps(run.items)
        (asked,) = brave.requests
        assert asked.target.startswith("/res/v1/web/search?q=Gr%C3%BC%C3%9Fe&count=10&freshness=")
        outputs = dict(results(row.bodies[2]))
        assert FOUND in outputs["call_1"]
        assert "not on the public internet" in outputs["call_2"]
        assert key not in json.dumps(row.bodies)
        assert someone.token not in asked.head.decode()

        # which also stops the shim, so that its log is complete
        someone.ok("disable")
        assert someone.config.read_bytes().startswith(OWN)
        assert b"standalone_web_search" not in someone.config.read_bytes()
        searches = [line for line in logged_turns(user.state) if line["slug"] == "alpha/search"]
        assert [line["route"] for line in searches] == ["brave", "brave"]
        assert searches[0]["search"] == "1 query of 5 characters, 2 results"
        assert len({str(line["thread"]) for line in logged_turns(user.state)}) == 1
    finally:
        someone.end_all()


def test_failure_of_the_service_is_told_to_the_model_once(
    user: CodexHome, row: ModelUpstream, brave: SearchServiceFake
) -> None:
    key = search_services.KEY
    someone = newcomer(user, row, {"service": "brave", "base_url": brave.base_url, "api_key": key})
    try:
        someone.ok("enable")
        brave.play(reply({"type": "ErrorResponse", "error": {"code": "INTERNAL"}}, 500))
        row.play(say("", call("web__run", search_query=[{"q": "x"}])), say("No luck."))

        run = user.exec("search", "-m", SLUG)

        assert run.messages[-1] == "No luck.", run.errors
        assert len(brave.requests) == 1
        (output,) = dict(results(row.bodies[1])).values()
        assert "has a fault (HTTP 500)" in output
    finally:
        someone.end_all()


def test_nothing_is_offered_without_a_service(user: CodexHome, row: ModelUpstream) -> None:
    someone = newcomer(user, row, None)
    try:
        someone.ok("enable")
        assert b"standalone_web_search = " not in someone.config.read_bytes()
        row.play(say("done"))
        assert user.exec("go", "-m", SLUG).messages == ["done"]
        assert not any("web" in name for name in tools(row, 0))
    finally:
        someone.end_all()


def test_oldest_codex_starts_with_the_feature_that_it_does_not_know(
    user: CodexHome, row: ModelUpstream, brave: SearchServiceFake
) -> None:
    user.codex = installed_codex(OLDEST)
    key = search_services.KEY
    someone = newcomer(user, row, {"service": "brave", "base_url": brave.base_url, "api_key": key})
    try:
        someone.ok("enable")
        row.play(say("done"))
        assert user.exec("go", "-m", SLUG).messages == ["done"]
    finally:
        someone.end_all()
