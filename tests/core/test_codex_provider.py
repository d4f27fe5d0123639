from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from addons.core.codex_provider import (
    arguments,
    config_of,
    token_in_environment,
    toml_value,
)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_is_what_it_was_once_codex_has_read_it(text: str) -> None:
    assert tomllib.loads(f"k = {toml_value(text)}") == {"k": text}
    assert tomllib.loads(f"k = {toml_value({text: text})}") == {"k": {text: text}}


def test_arguments_say_what_the_config_says_and_hold_no_token() -> None:
    config = config_of("m", 1234, "/c.json", token_in_environment())
    pairs = arguments(config)
    assert pairs[::2] == ["-c"] * (len(pairs) // 2)
    assert tomllib.loads("\n".join(pairs[1::2])) == config
    assert (
        'model_providers.codex_shim.env_http_headers.x-codex-shim-token="CODEX_SHIM_TOKEN"' in pairs
    )
