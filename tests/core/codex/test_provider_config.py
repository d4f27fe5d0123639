"""The Codex settings as TOML values and as command-line arguments."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from addons.core.codex.provider_config import (
    arguments,
    config_for,
    own_search,
    provider_of,
    token_in_environment,
    toml_value,
)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_string_round_trips_through_toml(text: str) -> None:
    assert tomllib.loads(f"k = {toml_value(text)}") == {"k": text}
    assert tomllib.loads(f"k = {toml_value({text: text})}") == {"k": {text: text}}


def test_arguments_equal_the_config_and_hold_no_token() -> None:
    config = config_for("m", 1234, "/c.json", token_in_environment())
    pairs = arguments(config)
    assert pairs[::2] == ["-c"] * (len(pairs) // 2)
    assert tomllib.loads("\n".join(pairs[1::2])) == config
    assert (
        'model_providers.codex_shim.env_http_headers.x-codex-shim-token="CODEX_SHIM_TOKEN"' in pairs
    )


def test_login_keys_are_written_only_with_a_login() -> None:
    keys = {"requires_openai_auth", "supports_standalone_web_search"}
    with_login = provider_of(config_for("m", 1, "/c.json", chatgpt_login=True))
    without = provider_of(config_for("m", 1, "/c.json"))
    assert with_login.keys() - without.keys() == keys
    assert all(with_login[key] is True for key in keys)
    # With one of these Codex would withhold the login.
    assert not with_login.keys() & {"env_key", "experimental_bearer_token", "auth"}


def test_websocket_is_off_unless_it_is_wanted() -> None:
    assert provider_of(config_for("m", 1, "/c.json"))["supports_websockets"] is False
    config = config_for("m", 1, "/c.json", websocket=True)
    assert provider_of(config)["supports_websockets"] is True


def test_searches_turn_on_the_feature_of_every_model() -> None:
    assert not own_search(config_for("m", 1, "/c.json", chatgpt_login=True))
    config = config_for("m", 1, "/c.json", searches=True)
    assert own_search(config)
    assert "features.standalone_web_search=true" in arguments(config)
    assert provider_of(config)["supports_standalone_web_search"] is True
    assert "requires_openai_auth" not in provider_of(config)
