"""The section "Codex features"."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from addons.core.codex.config_block import install
from addons.core.codex.provider_config import config_for
from tests.fakes.account import Account
from tests.shim_cli.doctor.findings import put, section_findings, section_messages

SECTION = "Codex features"
LOCAL = "shell, patches, MCP servers, sub-agents, compaction"


def enable(env: dict[str, str], *, chatgpt_login: bool) -> Path:
    text = install("", config_for("m", 9, "codex-shim-catalog.json", chatgpt_login=chatgpt_login))
    return put(Path(env["HOME"], ".codex", "config.toml"), text)


def log_in(env: dict[str, str]) -> None:
    Account().write(Path(env["HOME"], ".codex"))


def test_config_without_the_shim_has_no_findings(env: dict[str, str]) -> None:
    put(Path(env["HOME"], ".codex", "config.toml"), 'model = "gpt-5.5"\n')

    assert section_messages(env, SECTION) == []


def test_features_of_a_block_with_a_login(env: dict[str, str]) -> None:
    enable(env, chatgpt_login=True)
    log_in(env)

    [on, *off] = section_messages(env, SECTION)

    assert on == (
        "OK",
        f"on: {LOCAL}, web search, image generation, model picker of Codex Desktop",
    )
    assert {level for level, _ in off} == {"INFO"}


@pytest.mark.parametrize("login_now", [True, False])
def test_changed_login_is_a_warning_with_the_command(env: dict[str, str], login_now: bool) -> None:
    enable(env, chatgpt_login=not login_now)
    if login_now:
        log_in(env)

    [warning, *_] = section_findings(env, SECTION)

    assert (warning.level, warning.advice) == ("WARN", "codex-shim enable")
    assert "ChatGPT login" in warning.message


def test_missing_catalog_beside_the_config_fails(env: dict[str, str]) -> None:
    path = enable(env, chatgpt_login=False)

    [missing] = section_findings(env, "Catalog")

    assert (missing.level, missing.advice) == ("FAIL", "codex-shim enable")
    assert str(path.with_name("codex-shim-catalog.json")) in missing.message


def test_settings_of_searches_that_the_block_does_not_know(env: dict[str, str]) -> None:
    path = enable(env, chatgpt_login=False)
    row = {"model": "row-chat", "base_url": "https://rows.example/v1", "api_key": "fabricated"}
    section = {"service": "exa", "api_key": "fabricated-search"}
    settings = put(
        Path(env["HOME"], "models.json"), json.dumps({"models": [row], "web_search": section})
    )
    env = {**env, "CODEX_SHIM_SETTINGS": str(settings)}

    [warning, *_] = section_findings(env, SECTION)
    assert (warning.level, warning.advice) == ("WARN", "codex-shim enable")
    assert "web search on models of your own" in warning.message

    config = config_for("m", 9, "codex-shim-catalog.json", searches=True)
    put(path, install("", config))
    service, on, *_ = section_messages(env, SECTION)
    assert service == ("OK", "web search of rows: Exa")
    assert on == ("OK", f"on: {LOCAL}, web search, web search on models of your own")

    section = {"service": "exa", "api_key_env": "NO_SUCH_KEY"}
    put(settings, json.dumps({"models": [row], "web_search": section}))
    missing = section_findings(env, SECTION)[0]
    assert missing.level == "WARN"
    assert missing.message.startswith("Exa has no key: the environment variable NO_SUCH_KEY is not")
    assert str(settings) in missing.advice


def test_key_of_a_search_service_that_others_can_read(env: dict[str, str]) -> None:
    enable(env, chatgpt_login=False)
    section = {"service": "exa", "api_key": "fabricated-search"}
    settings = put(Path(env["HOME"], "models.json"), json.dumps({"web_search": section}))
    settings.chmod(0o644)

    first = section_findings({**env, "CODEX_SHIM_SETTINGS": str(settings)}, SECTION)[0]

    assert (first.level, first.advice) == ("WARN", f"chmod 600 {settings}")
    assert "contains keys" in first.message
