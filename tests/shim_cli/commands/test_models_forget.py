"""`codex-shim model forget`: what was learnt about one model, or about all, is dropped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from addons.adapters.traits_store import FileTraits, traits_file
from addons.core.upstream.traits import Trait
from shim_cli.commands.models_forget import forget_models
from shim_cli.console.errors import CliError

ROWS = [
    {"model": "deepseek-chat", "provider": "deepseek", "slug": "one", "api_key": "sk-x"},
    {"model": "grok-4", "provider": "xai", "slug": "two", "api_key": "sk-y"},
]
ONE, TWO = "chat:https://api.deepseek.com:deepseek-chat", "chat:https://api.x.ai:grok-4"
FACT = Trait("strict_tools", value=False)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    settings = tmp_path / "models.json"
    settings.write_text(json.dumps(ROWS))
    env = {
        "HOME": str(tmp_path),
        "CODEX_SHIM_SETTINGS": str(settings),
        "CODEX_SHIM_STATE_DIR": str(tmp_path / "state"),
    }
    store = FileTraits(traits_file(env))
    store.learn(ONE, [FACT], ["d"])
    store.learn(ONE.replace("chat:", "responses:"), [FACT], [])
    store.learn(TWO, [FACT], [])
    store.flush()
    return env


def known(env: dict[str, str]) -> set[str]:
    return set(FileTraits(traits_file(env)).scopes)


def test_one_model_is_forgotten_in_every_protocol(
    env: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert forget_models(env, "one", None) == 0
    assert capsys.readouterr().out == "Forgot 3 learnt facts about one.\n"
    assert known(env) == {TWO}


def test_all_models_are_forgotten(env: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert forget_models(env, None, None) == 0
    assert "Forgot 4 learnt facts" in capsys.readouterr().out
    assert known(env) == set()


def test_nothing_to_forget_is_no_error(
    env: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    forget_models(env, "two", None)
    assert forget_models(env, "two", None) == 0
    assert capsys.readouterr().out.endswith("Nothing was learnt about two.\n")


def test_unknown_model_is_an_error_that_names_the_rows(env: dict[str, str]) -> None:
    with pytest.raises(CliError, match="nope is no row") as caught:
        forget_models(env, "nope", None)
    assert caught.value.advice == "Rows: one, two"
    assert len(known(env)) == 3
