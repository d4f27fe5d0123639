"""A fabricated ChatGPT login: tokens that are not valid anywhere, and the auth.json in which Codex stores them.

Invariant: every secret of an account is unique, so that a byte scan can attribute a finding.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.http_messages import Request

Json = dict[str, object]

DAY = 86_400


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def fabricated_jwt(
    account_id: str, lifetime: int = 10 * DAY, claims: Mapping[str, object] | None = None
) -> str:
    """Return a token in the form of OpenAI's: three base64url segments, the claims that Codex reads, a random signature."""
    now = int(time.time())
    content = {
        "iat": now,
        "exp": now + lifetime,
        "jti": secrets.token_hex(16),
        "email": "nobody@example.com",
        "https://api.openai.com/auth": {
            "chatgpt_account_id": account_id,
            "chatgpt_plan_type": "plus",
            "chatgpt_user_id": "user-fabricated",
            **(claims or {}),
        },
    }
    parts = (_segment({"alg": "RS256", "typ": "JWT"}), _segment(content), secrets.token_urlsafe(96))
    return ".".join(parts)


@dataclass(frozen=True, slots=True)
class Account:
    """One login."""

    account_id: str = field(default_factory=lambda: f"acct-{secrets.token_hex(12)}")
    access_token: str = ""
    id_token: str = ""
    refresh_token: str = field(default_factory=lambda: f"rt_{secrets.token_urlsafe(48)}")
    claims: Mapping[str, object] = field(default_factory=dict)
    """Claims of OpenAI in both tokens, in addition to the usual ones."""
    names_account: bool = True
    """Whether auth.json names the account, which is always a claim of the id_token."""

    def __post_init__(self) -> None:
        for name in ("access_token", "id_token"):
            if not getattr(self, name):
                token = fabricated_jwt(self.account_id, claims=self.claims)
                object.__setattr__(self, name, token)

    @property
    def headers(self) -> dict[str, str | None]:
        """The headers that the backend requires; None for one that must be absent."""
        is_fedramp = self.claims.get("chatgpt_account_is_fedramp")
        return {
            "authorization": f"Bearer {self.access_token}",
            "chatgpt-account-id": self.account_id,
            "x-openai-fedramp": "true" if is_fedramp else None,
            "x-openai-account-routing-override": None,
        }

    def document(self, request: Request) -> Json | None:  # noqa: ARG002  used by the other kinds
        """Return the JSON that the backend tells about this account at a path; None where it tells nothing."""
        return None

    def _content(self) -> Json:
        """Return the content of auth.json."""
        tokens = {
            "id_token": self.id_token,
            "access_token": self.access_token,
            "refresh_token": self.refresh_token,
            **({"account_id": self.account_id} if self.names_account else {}),
        }
        return {
            "auth_mode": "chatgpt",
            "OPENAI_API_KEY": None,
            "tokens": tokens,
            "last_refresh": time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime()),
        }

    def renewed(self) -> Account:
        """Return the same account after a refresh: new tokens, same id."""
        return Account(account_id=self.account_id, claims=self.claims)

    @property
    def secrets(self) -> dict[str, str]:
        """Name → value that must appear nowhere but in requests."""
        return {
            "access token": self.access_token,
            "id token": self.id_token,
            "refresh token": self.refresh_token,
            "account id": self.account_id,
        }

    def write(self, codex_home: Path) -> None:
        """Write auth.json as Codex 0.169 does, with mode 0600."""
        path = codex_home / "auth.json"
        staged = path.with_suffix(".new")
        with os.fdopen(os.open(staged, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            json.dump(self._content(), file)
        staged.replace(path)
