"""What Codex has to be told to use the shim, as config values and as one command line. Pure.

Never does: name the provider "OpenAI" or set `openai_base_url`. With a ChatGPT login Codex 0.169 would then send the
turns elsewhere, or compressed. Invariant: the file and the command line say the same.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson

from shim_cli.defaults import PROVIDER_ID


def config_of(slug: str, port: int, catalog: Path) -> dict[str, object]:
    """The whole config as nested values. `catalog` is absolute."""
    provider = {
        "name": "codex-shim",
        "base_url": f"http://127.0.0.1:{port}/v1",
        "wire_api": "responses",
        # Longer than the shim's own stall limit, so that the user reads its words and not Codex's.
        "stream_idle_timeout_ms": 600_000,
        "supports_websockets": False,
    }
    return {
        "model": slug,
        "model_provider": PROVIDER_ID,
        "model_catalog_json": str(catalog),
        "model_providers": {PROVIDER_ID: provider},
    }


def command_to_try(config: Mapping[str, object]) -> str:
    """The `codex -c …` line that has the same effect for one run, quoted for a shell."""
    pairs = (
        shlex.quote(f"{key}={orjson.dumps(value).decode()}") for key, value in _flat(config, "")
    )
    return " ".join(["codex", *(f"-c {pair}" for pair in pairs)])


def _flat(values: Mapping[str, object], prefix: str) -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
