from __future__ import annotations

import json
from pathlib import Path

from shim_cli.report.secrets import known_secrets
from tests.shim_cli.run import environment


def test_known_secrets_cover_every_source(tmp_path: Path) -> None:
    (tmp_path / ".codex").mkdir()
    login = {"tokens": {"access_token": "an-access-token-of-codex", "plan": "pro"}}
    (tmp_path / ".codex" / "auth.json").write_text(json.dumps(login))
    (tmp_path / ".codex-shim").mkdir()
    rows = [
        {"model": "m", "apiKey": "inline-key-1"},
        {"model": "m", "extra_headers": {"x-a": "header-value-1"}, "api_key_file": "key.txt"},
        {"model": "m", "auth_command": ["print-key", "--profile=private"]},
    ]
    (tmp_path / ".codex-shim" / "models.json").write_text(json.dumps({"models": rows}))
    (tmp_path / ".codex-shim" / "key.txt").write_text("key-in-a-file\n")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "token").write_text("the-local-token\n")
    env = environment(tmp_path, {"MY_API_KEY": "key-in-the-environment", "TERM": "not-a-secret"})

    assert set(known_secrets(env, None)) == {
        "an-access-token-of-codex",
        "inline-key-1",
        "header-value-1",
        "key-in-a-file",
        "print-key",
        "--profile=private",
        "the-local-token",
        "key-in-the-environment",
    }


def test_keys_behind_a_byte_order_mark_are_secrets(tmp_path: Path) -> None:
    settings = tmp_path / "models.json"
    settings.write_bytes(b'\xef\xbb\xbf[{"model": "m", "api_key": "inline-key-1"}]')
    assert "inline-key-1" in known_secrets(environment(tmp_path), settings)
