"""Who answers a search: the account's backend, the service of models.json, or nobody."""

from __future__ import annotations

import json
from pathlib import Path

import orjson

from addons.adapters.api_keys import KeyRing
from addons.adapters.route_sources import RouteSources
from addons.adapters.web_search import SearchKey
from addons.core.secrets import Origin
from addons.core.settings.key_refs import EnvKey, SecretHeaderSpec
from addons.core.settings.web_search import SearchEndpoint
from addons.core.turn import Answer, ClientRequest, Send, Step
from addons.core.upstream.api_keys import BEARER, KeyProblem
from tests.adapters.homes import Home

ROW = {"model": "row-chat", "base_url": "https://rows.example/v1", "api_key": "fabricated"}
EXA = {"service": "exa", "api_key": "fabricated-search"}


def ask(sources: RouteSources, model: str, path: str = "/v1/alpha/search") -> Step:
    body = orjson.dumps({"model": model, "commands": {"search_query": [{"q": "x"}]}})
    headers = ((b"originator", b"codex_exec"), (b"content-type", b"application/json"))
    return sources.plan_endpoint(ClientRequest("POST", path, headers, body)).start()


def opened(home: Home, section: object) -> RouteSources:
    document = {"models": [ROW], "aliases": {"quick": "row-chat"}, "web_search": section}
    home.settings.write_text(json.dumps(document))
    return home.open()


def sent_to(step: Step) -> str:
    assert isinstance(step, Send), step
    return step.request.origin.host


def test_model_of_the_account_is_answered_by_its_backend(home: Home) -> None:
    home.log_in()
    sources = opened(home, EXA)
    backend = sources.account.base.origin.host
    for model in ("gpt-5.5", "unknown-model"):
        assert sent_to(ask(sources, model)) == backend
    assert sent_to(ask(sources, "row-chat", "/v1/images/generations")) == backend


def test_rows_and_their_aliases_are_answered_by_the_service(home: Home) -> None:
    home.log_in()
    sources = opened(home, EXA)
    for model in ("row-chat", "quick", "shim-demo"):
        assert sent_to(ask(sources, model)) == "api.exa.ai", model


def test_row_is_answered_by_the_account_only_if_the_user_says_so(home: Home) -> None:
    sources = opened(home, {**EXA, "chatgpt": True})
    assert sent_to(ask(sources, "row-chat")) == "api.exa.ai"
    home.log_in()
    step = ask(sources, "row-chat")
    assert isinstance(step, Send)
    assert step.request.origin == sources.account.base.origin
    assert orjson.loads(step.request.body)["model"] == "gpt-5.5"


def test_nobody_answers_without_a_setting(home: Home) -> None:
    home.log_in()
    step = ask(opened(home, {}), "row-chat")
    assert isinstance(step, Answer)
    assert orjson.loads(step.reply.body)["error"]["code"] == "search_not_configured"


def test_table_offers_search_with_a_row_and_somebody_who_answers(home: Home) -> None:
    assert opened(home, EXA).table().searches
    assert opened(home, EXA).table().for_client("0.171.0").searches
    assert not opened(home, {}).table().searches
    home.settings.write_text(json.dumps({"models": [], "web_search": EXA}))
    home.log_in()
    assert not home.open().table().searches


def test_key_is_bound_to_the_service_and_a_missing_one_is_named(tmp_path: Path) -> None:
    origin = Origin("https", "search.example", 443)
    spec = SecretHeaderSpec(BEARER, EnvKey(("A_KEY",)), "web_search.api_key_env")
    endpoint = SearchEndpoint("tavily", origin, "", spec)
    (header,) = SearchKey(KeyRing({"A_KEY": "fabricated"}, tmp_path), endpoint).current()  # type: ignore[misc]
    assert header.value_for(origin) == b"Bearer fabricated"
    key = SearchKey(KeyRing({}, tmp_path), endpoint)
    key.refused()
    found = key.current()
    assert isinstance(found, KeyProblem)
    assert found.message == (
        "Tavily has no key: the environment variable A_KEY is not set where codex-shim runs. "
        "Correct that, or `web_search.api_key_env` in models.json."
    )
    bare = SearchKey(KeyRing({}, tmp_path), SearchEndpoint("searxng", origin, ""))
    bare.refused()
    assert bare.current() == ()
