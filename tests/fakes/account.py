"""A fabricated ChatGPT login: token-shaped text that opens nothing, and the auth.json that Codex would keep it in.

Invariant: every secret of an account is unique to it, so that a byte scan knows whose it found.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path

DAY = 86_400


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def fabricated_jwt(account_id: str, lifetime: int = 10 * DAY) -> str:
    """Make a token in the shape of OpenAI's: three base64url segments, the claims that Codex reads, a random end."""
    now = int(time.time())
    claims = {
        "iat": now,
        "exp": now + lifetime,
        "jti": secrets.token_hex(16),
        "email": "nobody@example.com",
        "https://api.openai.com/auth": {
            "chatgpt_account_id": account_id,
            "chatgpt_plan_type": "plus",
            "chatgpt_user_id": "user-fabricated",
        },
    }
    parts = (_segment({"alg": "RS256", "typ": "JWT"}), _segment(claims), secrets.token_urlsafe(96))
    return ".".join(parts)


@dataclass(frozen=True, slots=True)
class Account:
    """One login. `renewed` gives the same account with a new token."""

    account_id: str = field(default_factory=lambda: f"acct-{secrets.token_hex(12)}")
    access_token: str = ""
    id_token: str = ""
    refresh_token: str = field(default_factory=lambda: f"rt_{secrets.token_urlsafe(48)}")

    def __post_init__(self) -> None:
        for name in ("access_token", "id_token"):
            if not getattr(self, name):
                object.__setattr__(self, name, fabricated_jwt(self.account_id))

    def renewed(self) -> Account:
        """The same account after a refresh: new tokens, same id."""
        return Account(account_id=self.account_id)

    @property
    def secrets(self) -> dict[str, str]:
        """Every value that must never be seen outside the wire, by name."""
        return {
            "access token": self.access_token,
            "id token": self.id_token,
            "refresh token": self.refresh_token,
            "account id": self.account_id,
        }

    def write(self, codex_home: Path) -> None:
        """Write auth.json as Codex does: mode 0600, the shape of version 0.169."""
        document = {
            "auth_mode": "chatgpt",
            "OPENAI_API_KEY": None,
            "tokens": {
                "id_token": self.id_token,
                "access_token": self.access_token,
                "refresh_token": self.refresh_token,
                "account_id": self.account_id,
            },
            "last_refresh": time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime()),
        }
        path = codex_home / "auth.json"
        staged = path.with_suffix(".new")
        with os.fdopen(os.open(staged, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            json.dump(document, file)
        staged.replace(path)
