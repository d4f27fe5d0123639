"""What Codex offers with a provider block."""

from __future__ import annotations

import pytest

from addons.core.codex.features import features, grouped, login_change, search_change
from addons.core.codex.provider_config import Values, config_for, provider_of


def block(*, chatgpt_login: bool) -> Values:
    return provider_of(config_for("m", 1, "/c.json", chatgpt_login=chatgpt_login))


def names(provider: Values, *, on: bool) -> set[str]:
    return {each.name for each in features(provider) if each.is_on is on}


def test_login_turns_on_search_images_and_the_picker_of_desktop() -> None:
    with_login = names(block(chatgpt_login=True), on=True)
    without = names(block(chatgpt_login=False), on=True)
    assert with_login - without == {
        "web search",
        "image generation",
        "model picker of Codex Desktop",
    }
    assert without == {"shell, patches, MCP servers, sub-agents, compaction"}


def test_every_feature_that_is_off_has_a_reason_and_reasons_are_not_repeated() -> None:
    found = grouped(features(block(chatgpt_login=False)))
    assert [each.is_on for each in found] == [True, False, False, False, False]
    assert len({each.reason for each in found}) == len(found)
    assert found[1].name.startswith("web search, image generation")
    assert "codex login" in found[1].reason


def test_websocket_is_on_if_the_block_says_so() -> None:
    assert "WebSocket" in names({"supports_websockets": True}, on=True)


@pytest.mark.parametrize("login", [True, False])
def test_block_of_this_login_needs_no_change(login: bool) -> None:
    assert login_change(block(chatgpt_login=login), chatgpt_login=login) == ""


def test_api_key_turns_on_search_as_without_the_shim() -> None:
    with_key = provider_of(config_for("m", 1, "/c.json", api_key=True))
    without = names(block(chatgpt_login=False), on=True)
    assert names(with_key, on=True) - without == {"web search"}
    assert "requires_openai_auth" not in with_key
    assert login_change(with_key, chatgpt_login=False, api_key=True) == ""
    assert "there is none" in login_change(with_key, chatgpt_login=False)
    late = login_change(block(chatgpt_login=False), chatgpt_login=False, api_key=True)
    assert "web search is off" in late


def test_searches_of_rows_need_no_login() -> None:
    provider = provider_of(config_for("m", 1, "/c.json", searches=True))
    found = {each.name: each.reason for each in features(provider, searches=True)}
    assert found["web search on models of your own"] == ""
    assert login_change(provider, chatgpt_login=False, searches=True) == ""
    assert "there is none" in login_change(provider, chatgpt_login=False)
    plain = {each.name: each.reason for each in features(provider)}
    assert "`web_search` of models.json" in plain["web search on models of your own"]
    by_hand = {each.name: each.reason for each in features(provider, wanted=True)}
    assert "`codex features enable" in by_hand["web search on models of your own"]


def test_changed_settings_of_searches_are_named() -> None:
    assert search_change(searches=True, wanted=True) == ""
    assert search_change(searches=False, wanted=False) == ""
    assert "models.json now has" in search_change(searches=False, wanted=True)
    assert "nobody answers it" in search_change(searches=True, wanted=False)


def test_changed_login_is_named() -> None:
    gone = login_change(block(chatgpt_login=True), chatgpt_login=False)
    assert "requires a ChatGPT login, and there is none" in gone
    new = login_change(block(chatgpt_login=False), chatgpt_login=True)
    assert "written without a ChatGPT login" in new
