from __future__ import annotations

from pathlib import Path

import pytest

from addons.core.settings.presets import preset_for
from shim_cli.commands.add_key import KeyOptions, key_fields
from shim_cli.console.errors import UsageProblem

DEEPSEEK = preset_for("deepseek")


def test_options_name_the_place_of_the_key() -> None:
    assert KeyOptions(variable="A_KEY").fields() == {"api_key_env": "A_KEY"}
    assert KeyOptions(file="/k").fields() == {"api_key_file": str(Path("/k").absolute())}
    assert KeyOptions(command="pass show 'a b'").fields() == {
        "auth_command": ["pass", "show", "a b"]
    }
    assert KeyOptions().fields() == {}


def test_variable_of_the_provider_needs_no_field(tmp_path: Path) -> None:
    env = {"DEEPSEEK_API_KEY": "k"}

    assert key_fields(env, tmp_path, DEEPSEEK, KeyOptions(), {"DEEPSEEK_API_KEY"}, ask=False) == {}


def test_missing_key_is_refused_when_nothing_is_asked(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="deepseek needs a key"):
        key_fields({}, tmp_path, DEEPSEEK, KeyOptions(), {"DEEPSEEK_API_KEY"}, ask=False)


def test_server_without_a_key_is_not_asked_for_one(tmp_path: Path) -> None:
    assert key_fields({}, tmp_path, preset_for("ollama"), KeyOptions(), (), ask=True) == {}
