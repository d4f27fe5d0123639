"""Which values of the environment are secrets of this process."""

from __future__ import annotations

import pytest

from addons.adapters.system.process_secrets import secrets_in
from addons.core.secrets import Secret


@pytest.mark.parametrize(
    ("env", "values"),
    [
        ({"OPENAI_API_KEY": " sk-abcdefgh ", "PATH": "/bin"}, ["sk-abcdefgh"]),
        ({"HTTPS_PROXY": "http://ada:hunter%322@proxy:1"}, ["hunter%322", "hunter22"]),
        ({"all_proxy": "socks5://ada:hunter2@[::1]:1", "X_TOKEN": "abcdefgh"}, ["hunter2", "abcdefgh"]),
        ({"A_SECRET": "short", "URL": "http://[bad@x", "MAIL": "a@b.example"}, []),
    ],
)  # fmt: skip
def test_secret_values_and_proxy_passwords_are_found(
    env: dict[str, str], values: list[str]
) -> None:
    found = secrets_in(env)
    assert len(found) == len(values)
    assert all(secret.matches(Secret(value)) for secret, value in zip(found, values, strict=True))
