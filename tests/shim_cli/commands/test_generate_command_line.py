from __future__ import annotations

import shlex
import tomllib
from pathlib import Path

from addons.core.codex.provider_config import config_for
from shim_cli.commands.generate import command_to_try

CATALOG = Path("/home/o'neil/a b/catalog.json")


def test_config_has_a_provider_of_its_own() -> None:
    assert config_for("glm-5", 9001, str(CATALOG)) == {
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


def test_command_line_and_config_are_equal_through_a_shell() -> None:
    config = config_for('say "hi"', 9001, str(CATALOG))

    words = shlex.split(command_to_try(config))

    assert words[0] == "codex"
    assert set(words[1::2]) == {"-c"}
    assert tomllib.loads("\n".join(words[2::2])) == config
