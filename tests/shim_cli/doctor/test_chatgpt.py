from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from addons.adapters.system.packages import install_command
from tests.shim_cli.doctor.findings import jwt, put, section_messages


def test_login_is_shown_without_secrets(env: dict[str, str], tmp_path: Path) -> None:
    claims = {
        "exp": int(time.time()) + 9 * 86400 + 3600 + 1800,
        "https://api.openai.com/auth": {"chatgpt_plan_type": "pro"},
    }
    tokens = {"access_token": jwt(claims), "account_id": "0123-4567-89ab-cdef"}
    put(tmp_path / ".codex" / "auth.json", json.dumps({"tokens": tokens}))

    assert section_messages(env, "ChatGPT passthrough") == [
        ("OK", f"ChatGPT login in {tmp_path}/.codex/auth.json"),
        ("INFO", "plan pro, account …cdef, the token expires in 9 d 1 h"),
        ("INFO", "turns go to http://127.0.0.1:9"),
        ("INFO", "1 model, built in, until the shim has run with this login"),
    ]


def test_login_without_expiry(env: dict[str, str], tmp_path: Path) -> None:
    put(tmp_path / ".codex" / "auth.json", '{"tokens":{"access_token":"opaque"}}')

    assert section_messages(env, "ChatGPT passthrough")[1] == (
        "INFO",
        "plan unknown, the token has no expiry",
    )


@pytest.mark.parametrize(
    ("tokens", "level", "expected"),
    [
        ({"access_token": jwt({"exp": 1000})}, "WARN", "has expired"),
        ({}, "WARN", "holds no ChatGPT access token"),
    ],
)
def test_unusable_login_is_a_warning_with_the_reason(
    env: dict[str, str], tmp_path: Path, tokens: dict[str, str], level: str, expected: str
) -> None:
    put(tmp_path / ".codex" / "auth.json", json.dumps({"tokens": tokens}))

    [(shown, message)] = section_messages(env, "ChatGPT passthrough")

    assert shown == level
    assert expected in message


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (
            {"auth_mode": "apikey", "OPENAI_API_KEY": "key-1"},
            [
                "API key in {path}",
                "each turn is paid by the token, and no ChatGPT plan is used",
                "turns go to https://api.openai.com",
            ],
        ),
        (
            {"personal_access_token": "at-1"},
            [
                "personal access token in {path}",
                "plan unknown, the token has no expiry",
                "turns go to http://127.0.0.1:9",
            ],
        ),
        (
            {"auth_mode": "agentIdentity", "agent_identity": "e.y.j"},
            [
                "agent identity in {path}",
                "Codex signs each of its requests; other clients cannot use this login",
                "turns go to http://127.0.0.1:9",
            ],
        ),
    ],
)
def test_kind_of_the_login_is_named(
    env: dict[str, str], tmp_path: Path, content: dict[str, str], shown: list[str]
) -> None:
    path = tmp_path / ".codex" / "auth.json"
    put(path, json.dumps(content))

    found = section_messages(env, "ChatGPT passthrough")

    assert [message for _, message in found[:3]] == [line.format(path=path) for line in shown]
    assert all(value not in repr(found) for value in ("key-1", "at-1", "e.y.j"))


def test_unreadable_keyring_is_a_warning_with_the_way_out(
    env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    put(tmp_path / ".codex" / "config.toml", 'cli_auth_credentials_store = "keyring"')

    [(level, message)] = section_messages(env, "ChatGPT passthrough")

    assert level == "WARN"
    assert f"`keyring` is not installed. Type `{install_command('keyring')}`" in message
    assert 'cli_auth_credentials_store = "file"' in message


def test_disabled_passthrough_is_info(env: dict[str, str]) -> None:
    env |= {"CODEX_SHIM_DISABLE_CHATGPT": "1"}

    [(level, message)] = section_messages(env, "ChatGPT passthrough")

    assert level == "INFO"
    assert "CODEX_SHIM_DISABLE_CHATGPT disables" in message
