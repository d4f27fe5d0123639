"""The Codex settings that select the shim, as values, as lines of config.toml and as `-c` arguments. Pure.

Never does: name the provider "OpenAI" or set `openai_base_url`. With a ChatGPT login, Codex 0.169 would then send turns
to another host, or compressed. The local token goes into a header of its own, never into Authorization, because Codex
would then drop the user's credential. Invariant: lines and arguments hold the same values.

Measured with Codex 0.133, 0.137, 0.169 and 0.171: all of them start with every key, known or not, and with a catalog
named by a path relative to the folder of config.toml. In a `-c` argument a path is relative to the working folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from addons.core.headers import TOKEN_HEADER

PROVIDER_ID = "codex_shim"
"""The provider's key in Codex's config. Never `openai`: Codex 0.169 does not send the turns of that provider to the shim."""
PROVIDERS = "model_providers"
TOKEN_VARIABLE = "CODEX_SHIM_TOKEN"  # noqa: S105  a name
NEEDS_LOGIN, SEARCHES_WEB = "requires_openai_auth", "supports_standalone_web_search"
USES_WEBSOCKET = "supports_websockets"
FEATURES, OWN_SEARCH = "features", "standalone_web_search"
"""The feature of Codex with which its tool `web.run` replaces the hosted web search for every model (0.169 or later)."""

Values = Mapping[str, object]


def config_for(
    slug: str,
    port: int,
    catalog: str,
    headers: Values | None = None,
    *,
    chatgpt_login: bool = False,
    api_key: bool = False,
    websocket: bool = False,
    searches: bool = False,
) -> Values:
    """Return the config as nested values.

    `catalog` is an absolute path, or for config.toml a name next to it. `headers` are further keys of the provider.
    `chatgpt_login`: Codex has a ChatGPT login, which its own web search and image generation need. `api_key`: Codex is
    logged in with an API key, which its web search needs. `websocket`: it sends turns over a WebSocket. `searches`: codex-shim
    answers the web searches of rows, for which Codex needs no login.
    """
    provider = {
        "name": "codex-shim",
        "base_url": f"http://127.0.0.1:{port}/v1",
        "wire_api": "responses",
        # Longer than the shim's stall limit, so that the user sees the shim's error and not Codex's.
        "stream_idle_timeout_ms": 600_000,
        USES_WEBSOCKET: websocket,
        **(_LOGIN_KEYS if chatgpt_login else {SEARCHES_WEB: True} if api_key or searches else {}),
        **(headers or {}),
    }
    return {
        "model": slug,
        "model_provider": PROVIDER_ID,
        "model_catalog_json": catalog,
        PROVIDERS: {PROVIDER_ID: provider},
        **({FEATURES: {OWN_SEARCH: True}} if searches else {}),
    }


def own_search(config: Values) -> bool:
    """Return whether a config gives Codex's tool for web search to every model."""
    features = config.get(FEATURES)
    return isinstance(features, Mapping) and features.get(OWN_SEARCH) is True


_LOGIN_KEYS: Values = {
    # Codex offers image generation, and Desktop its picker, only to a provider that requires the login. Never
    # written without one: the terminal of Codex would ask for a login before it starts.
    NEEDS_LOGIN: True,
    SEARCHES_WEB: True,
}


def token_in_file(token: str) -> Values:
    """Return the provider key that holds the local token itself, for a file."""
    return {"http_headers": {TOKEN_HEADER: token}}


def token_in_environment() -> Values:
    """Return the provider key that names the token's environment variable, for a command line that others can read."""
    return {"env_http_headers": {TOKEN_HEADER: TOKEN_VARIABLE}}


def provider_of(config: Values) -> Values:
    """Return the provider block of a config."""
    providers = config[PROVIDERS]
    assert isinstance(providers, Mapping)  # noqa: S101  for the type checker
    provider: Values = providers[PROVIDER_ID]
    return provider


def arguments(config: Values) -> list[str]:
    """Return the `-c key=value` arguments that apply the config to one run of Codex."""
    pairs = (f"{key}={toml_value(value)}" for key, value in _flat(config, ""))
    return [part for pair in pairs for part in ("-c", pair)]


def _flat(values: Values, prefix: str) -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def toml_value(value: object) -> str:
    """Return a string, number, boolean or flat table as one line of TOML."""
    if isinstance(value, Mapping):
        pairs = (f"{toml_value(str(key))} = {toml_value(inner)}" for key, inner in value.items())
        return f"{{ {', '.join(pairs)} }}"
    # JSON strings are valid TOML strings, except that JSON does not escape DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
