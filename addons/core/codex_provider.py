"""What Codex has to be told to use the shim, as values, as lines of a config.toml and as `-c` arguments. Pure.

Never does: name the provider "OpenAI" or set `openai_base_url`. With a ChatGPT login Codex 0.169 would then send the
turns elsewhere, or compressed. The local token goes into a header of its own, never into Authorization: Codex would
then drop the user's. Invariant: lines and arguments say the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

PROVIDER_ID = "codex_shim"
"""The provider's key in Codex's config. Never `openai`: Codex sends that one past us (Codex 0.169)."""
TOKEN_HEADER = "x-codex-shim-token"  # noqa: S105  a name
TOKEN_VARIABLE = "CODEX_SHIM_TOKEN"  # noqa: S105  a name

Values = Mapping[str, object]


def config_of(slug: str, port: int, catalog: str, headers: Values | None = None) -> Values:
    """The whole config as nested values. `catalog` is its absolute path, `headers` are further keys of the provider."""
    provider = {
        "name": "codex-shim",
        "base_url": f"http://127.0.0.1:{port}/v1",
        "wire_api": "responses",
        # Longer than the shim's own stall limit, so that the user reads its words and not Codex's.
        "stream_idle_timeout_ms": 600_000,
        "supports_websockets": False,
        **(headers or {}),
    }
    return {
        "model": slug,
        "model_provider": PROVIDER_ID,
        "model_catalog_json": catalog,
        "model_providers": {PROVIDER_ID: provider},
    }


def token_in_file(token: str) -> Values:
    """The provider's key that holds the local token itself: for a file."""
    return {"http_headers": {TOKEN_HEADER: token}}


def token_in_environment() -> Values:
    """The provider's key that names where the local token is: for a command line, which others can read."""
    return {"env_http_headers": {TOKEN_HEADER: TOKEN_VARIABLE}}


def arguments(config: Values) -> list[str]:
    """The arguments that give one run of Codex this config, `-c key=value` each."""
    pairs = (f"{key}={toml_value(value)}" for key, value in _flat(config, ""))
    return [part for pair in pairs for part in ("-c", pair)]


def _flat(values: Values, prefix: str) -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def toml_value(value: object) -> str:
    """A text, number, truth value or flat table as TOML writes it, on one line."""
    if isinstance(value, Mapping):
        pairs = (f"{toml_value(str(key))} = {toml_value(inner)}" for key, inner in value.items())
        return f"{{ {', '.join(pairs)} }}"
    # JSON's strings are TOML's, but that JSON leaves DEL as it is
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
