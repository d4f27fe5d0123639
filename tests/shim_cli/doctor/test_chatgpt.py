from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.shim_cli.doctor.findings import jwt, put, section_messages


def test_login_is_shown_without_secrets(env: dict[str, str], tmp_path: Path) -> None:
    claims = {
        "exp": int(time.time()) + 9 * 86400 + 3600 + 1800,
        "https://api.openai.com/auth": {"chatgpt_plan_type": "pro"},
    }
    tokens = {"access_token": jwt(claims), "account_id": "0123-4567-89ab-cdef"}
    put(tmp_path / ".codex" / "auth.json", json.dumps({"tokens": tokens}))

    assert section_messages(env, "ChatGPT passthrough") == [
        ("OK", f"logged in: {tmp_path}/.codex/auth.json"),
        ("INFO", "plan pro, account …cdef, the token expires in 9 d 1 h"),
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


def test_disabled_passthrough_is_info(env: dict[str, str]) -> None:
    env |= {"CODEX_SHIM_DISABLE_CHATGPT": "1"}

    [(level, message)] = section_messages(env, "ChatGPT passthrough")

    assert level == "INFO"
    assert "CODEX_SHIM_DISABLE_CHATGPT disables" in message
