from __future__ import annotations

import shlex
import tomllib
from pathlib import Path

from shim_cli.provider_config import command_to_try, config_of

CATALOG = Path("/home/o'neil/a b/catalog.json")


def test_codex_is_told_of_a_provider_of_our_own() -> None:
    assert config_of("glm-5", 9001, CATALOG) == {
        "model": "glm-5",
        "model_provider": "codex_shim",
        "model_catalog_json": "/home/o'neil/a b/catalog.json",
        "model_providers": {
            "codex_shim": {
                "name": "codex-shim",
                "base_url": "http://127.0.0.1:9001/v1",
                "wire_api": "responses",
                "stream_idle_timeout_ms": 600_000,
                "supports_websockets": False,
            }
        },
    }


def test_the_command_line_says_the_same_through_a_shell() -> None:
    config = config_of('say "hi"', 9001, CATALOG)

    words = shlex.split(command_to_try(config))

    assert words[0] == "codex"
    assert set(words[1::2]) == {"-c"}
    assert tomllib.loads("\n".join(words[2::2])) == config
