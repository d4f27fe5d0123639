"""The other kinds of Codex's login, each with what the services of OpenAI tell about it and require of a request.

Source: the real Codex 0.171 on loopback with each of these files.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from tests.fakes.account import DAY, Account, Json
from tests.fakes.chatgpt_backend import BASE, ChatGptBackend
from tests.fakes.http_messages import Answer, Request

WHOAMI_PATH = "/authapi/v1/user-auth-credential/whoami"
ACCOUNTS_PATH = "/backend-api/wham/accounts/check"
AGENT_ISSUER = "https://chatgpt.com/codex-backend/agent-identity"


@dataclass(frozen=True, slots=True)
class TokenAccount(Account):
    """A personal access token. auth.json does not name its account; the login service does."""

    access_token: str = field(default_factory=lambda: f"at-{secrets.token_hex(24)}")
    is_fedramp: bool = False

    @property
    def headers(self) -> dict[str, str | None]:
        own = {"x-openai-fedramp": "true" if self.is_fedramp else None}
        return {**super(TokenAccount, self).headers, **own}

    def document(self, request: Request) -> Json | None:
        if request.path != WHOAMI_PATH:
            return None
        assert request.header("authorization") == f"Bearer {self.access_token}"
        return {
            "email": None,
            "chatgpt_user_id": "user-fabricated",
            "chatgpt_account_id": self.account_id,
            "chatgpt_plan_type": "plus",
            "chatgpt_account_is_fedramp": self.is_fedramp,
        }

    def _content(self) -> Json:
        return {
            "auth_mode": "personalAccessToken",
            "OPENAI_API_KEY": None,
            "personal_access_token": self.access_token,
        }


@dataclass(frozen=True, slots=True)
class RegionAccount(Account):
    """An account with data residency: its turns need the name of the region."""

    region: str = "us_cr"
    origin: str = "NO_CONSTRAINT"
    """The origin of the account's own backend."""

    @property
    def headers(self) -> dict[str, str | None]:
        own = {"x-openai-account-routing-override": self.region}
        return {**super(RegionAccount, self).headers, **own}

    def document(self, request: Request) -> Json | None:
        if request.path != ACCOUNTS_PATH:
            return None
        assert request.header("chatgpt-account-id") == self.account_id
        entry = {
            "id": self.account_id,
            "account_routing_override": self.region,
            "workspace_backend_origin": self.origin,
        }
        other = {"id": "acct-other", "account_routing_override": "us"}
        return {"accounts": [other, entry], "account_ordering": [self.account_id]}


@dataclass(frozen=True, slots=True)
class KeyAccount(Account):
    """An API key. There is no account: a request that names one is refused."""

    access_token: str = field(default_factory=lambda: f"key-{secrets.token_hex(24)}")

    @property
    def headers(self) -> dict[str, str | None]:
        return {**super(KeyAccount, self).headers, "chatgpt-account-id": None}

    def _content(self) -> Json:
        return {"auth_mode": "apikey", "OPENAI_API_KEY": self.access_token}


class ApiBackend(ChatGptBackend):
    """A fake of https://api.openai.com/v1: the same turns at other paths, with an API key."""

    @property
    def base_url(self) -> str:
        parts = urlsplit(super().base_url)
        return f"{parts.scheme}://{parts.netloc}/v1"

    @property
    def turns(self) -> list[Request]:
        posts = (request for request in self.requests if request.method == "POST")
        return [request for request in posts if request.path == "/v1/responses"]

    def _respond(self, request: Request) -> Answer:
        if request.path.startswith("/v1/"):
            head = request.head.replace(b" /v1/", f" {BASE}/".encode(), 1)
            request = replace(request, head=head)
        return super()._respond(request)


def _segment(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


class AgentKeys:
    """The key that signs an agent identity, the agent's own key, and the services that Codex asks about them."""

    def __init__(self, account_id: str) -> None:
        self._account_id = account_id
        self._issuer = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.agent = ed25519.Ed25519PrivateKey.generate()

    @cached_property
    def token(self) -> str:
        """The signed identity, as auth.json holds it."""
        private = self.agent.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        now = int(time.time())
        claims = {
            "iss": AGENT_ISSUER,
            "aud": "codex-app-server",
            "iat": now,
            "exp": now + DAY,
            "agent_runtime_id": "runtime-1",
            "agent_private_key": base64.b64encode(private).decode(),
            "account_id": self._account_id,
            "chatgpt_user_id": "user-fabricated",
            "email": "nobody@example.com",
            "plan_type": "plus",
            "chatgpt_account_is_fedramp": False,
        }
        header = {"alg": "RS256", "typ": "JWT", "kid": "k1"}
        text = ".".join(_segment(json.dumps(part).encode()) for part in (header, claims))
        signature = self._issuer.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{text}.{_segment(signature)}"

    @property
    def public(self) -> Json:
        """The public key of the issuer, as a JSON Web Key Set."""
        numbers = self._issuer.public_key().public_numbers()
        modulus = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8)
        key = {"kty": "RSA", "kid": "k1", "alg": "RS256", "use": "sig"}
        return {"keys": [{**key, "n": _segment(modulus), "e": "AQAB"}]}


@dataclass(frozen=True, slots=True)
class AgentAccount(Account):
    """An agent identity: Codex signs each request with the key in auth.json, and no token is ever sent."""

    account_id: str = "acct-agent-0123456789"
    keys: AgentKeys = field(default_factory=lambda: AgentKeys("acct-agent-0123456789"))

    def document(self, request: Request) -> Json | None:
        if request.path.endswith("/agent-identities/jwks"):
            return self.keys.public
        return {"task_id": "task-1"} if request.path.endswith("/task/register") else None

    def _content(self) -> Json:
        return {
            "auth_mode": "agentIdentity",
            "OPENAI_API_KEY": None,
            "agent_identity": self.keys.token,
        }


class AgentBackend(ChatGptBackend):
    """The backend that verifies the signature of each request instead of a token."""

    account: AgentAccount

    def _is_logged_in(self, request: Request) -> bool:
        scheme, _, envelope = (request.header("authorization") or "").partition(" ")
        padded = envelope + "=" * (-len(envelope) % 4)
        if scheme != "AgentAssertion":
            return False
        signed = json.loads(base64.urlsafe_b64decode(padded))
        text = ":".join(signed[name] for name in ("agent_runtime_id", "task_id", "timestamp"))
        public = self.account.keys.agent.public_key()
        public.verify(base64.b64decode(signed["signature"]), text.encode())
        return request.header("chatgpt-account-id") == self.account.account_id
