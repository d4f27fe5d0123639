"""Reads the ChatGPT login that `codex login` writes: the bytes of auth.json in, a `Login` or a `LoginProblem` out.

Never does: open the file, read the clock, refresh a token (refresh tokens rotate, and a second refresher locks the user
out). Invariant: no input raises, the plain values go only into `Secret`, and the token and the account of one `Login`
come from one parse of one file.

Format, source: files written by Codex 0.133 and 0.169.
`{"auth_mode"?: "chatgpt"|"apikey", "OPENAI_API_KEY"?: str|null,
"tokens"?: {"access_token": str, "account_id"?: str|null, "id_token"?: jwt, "refresh_token"?: str}}`.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import orjson

from addons.core.secrets import Secret

DISABLE_VARIABLE = "CODEX_SHIM_DISABLE_CHATGPT"
TRUE_VALUES = frozenset({"1", "true", "yes", "on"})
CLAIMS = "https://api.openai.com/auth"
HINT_LENGTH = 4
JWT_PARTS = 3

_HEADER_SAFE = re.compile(r"[\x21-\x7e]+")


class LoginKind(StrEnum):
    """Why there is no ChatGPT login to use."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    """The operating system refused to read the file."""
    GARBLED = "garbled"
    NO_TOKEN = "no_token"  # noqa: S105 - a kind of problem
    API_KEY_ONLY = "api_key_only"
    EXPIRED = "expired"
    DISABLED = "disabled"
    PROXY_UNUSABLE = "no_way"
    """The outbound proxy cannot be used, so no login can reach the backend."""


@dataclass(frozen=True, slots=True)
class LoginProblem:
    """Why there is no login. `message` names the file and the command to type, in one or two sentences."""

    kind: LoginKind
    message: str


@dataclass(frozen=True, slots=True)
class Login:
    """One consistent pair of token and account."""

    access_token: Secret
    account_id: Secret | None = None
    expires_at: float | None = None
    """Unix seconds, from the `exp` claim of the access token; None without one."""
    plan_type: str | None = None
    account_hint: str = ""
    """The last four characters of the account id, if it is long enough, for display."""
    unused: tuple[Secret, ...] = ()
    """The other tokens of the file. Never sent; known only so that no text shows them."""

    def same_token(self, other: Login) -> bool:
        """Return whether both hold the same access token."""
        return self.access_token.matches(other.access_token)


@dataclass(frozen=True, slots=True)
class UnavailableLogin:
    """A `LoginSource` that always returns one problem, whatever auth.json holds."""

    problem: LoginProblem

    @property
    def known(self) -> None:
        """No login was read."""

    def current(self) -> LoginProblem:
        """Return the problem."""
        return self.problem

    def reread(self) -> LoginProblem:
        """Return the problem again."""
        return self.problem


class LoginSource(Protocol):
    """The source of the login for a turn."""

    @property
    def known(self) -> Login | None:
        """The login that was read last, without a look at the file: for the mask of echoes."""

    def current(self) -> Login | LoginProblem:
        """Return the login in the file now."""

    def reread(self) -> Login | LoginProblem:
        """Return the login without any cache: for use after an upstream has rejected the token."""


def is_login_disabled(env: Mapping[str, str]) -> bool:
    """Return whether CODEX_SHIM_DISABLE_CHATGPT disables the ChatGPT route."""
    return env.get(DISABLE_VARIABLE, "").strip().lower() in TRUE_VALUES


def login_disabled_problem() -> LoginProblem:
    """Return the problem of a disabled ChatGPT route."""
    return LoginProblem(
        LoginKind.DISABLED,
        f"{DISABLE_VARIABLE} disables the ChatGPT models. Type `unset {DISABLE_VARIABLE}` and restart codex-shim.",
    )


def unreadable_problem(path: str, reason: str) -> LoginProblem:
    """Return the problem of a file that the operating system refuses to read."""
    return LoginProblem(
        LoginKind.UNREADABLE,
        f"codex-shim cannot read {path}: {reason}. Type `ls -l {path}` to see who owns it.",
    )


def read_login(data: bytes | None, path: str) -> Login | LoginProblem:
    """Return the login in the bytes of auth.json (None: no such file), even with an expired token.

    `path` names the file in messages.
    """
    if data is None:
        return LoginProblem(
            LoginKind.MISSING,
            f"There is no ChatGPT login at {path}. Type `codex login`; if Codex keeps its login in the keyring, "
            'put cli_auth_credentials_store = "file" into its config.toml first.',
        )
    content = _json_object(data)
    if content is None:
        return _garbled(path, "it is not a JSON object")
    tokens = content.get("tokens")
    if content.get("auth_mode") == "apikey" or (not tokens and content.get("OPENAI_API_KEY")):
        return LoginProblem(
            LoginKind.API_KEY_ONLY,
            f"{path} holds an API key, not a ChatGPT login. Type `codex login` and choose ChatGPT.",
        )
    if not isinstance(tokens, dict) or not tokens.get("access_token"):
        return LoginProblem(
            LoginKind.NO_TOKEN, f"{path} holds no ChatGPT access token. Type `codex login`."
        )
    return _login_of(tokens, path)


def is_chatgpt_login(data: bytes | None) -> bool:
    """Return whether Codex itself finds a ChatGPT login in these bytes of auth.json, an expired one included.

    Codex 0.171 ignores a file without an `id_token` in JWT form. It refreshes an expired token itself.
    """
    content = _json_object(data or b"") or {}
    tokens = content.get("tokens")
    if not isinstance(tokens, dict) or content.get("auth_mode") not in {None, "chatgpt"}:
        return False
    return _fits_a_header(tokens.get("access_token")) and bool(_jwt_claims(tokens.get("id_token")))


def check_expiry(login: Login, path: str, now: float) -> Login | LoginProblem:
    """Return the login, or a problem when its token has expired at `now` (unix seconds)."""
    if login.expires_at is None or now < login.expires_at:
        return login
    return LoginProblem(
        LoginKind.EXPIRED,
        f"The ChatGPT login in {path} has expired. Run `codex` once to refresh it, or type `codex login`.",
    )


def _login_of(tokens: Mapping[str, object], path: str) -> Login | LoginProblem:
    token, account = tokens.get("access_token"), tokens.get("account_id")
    if not _fits_a_header(token):
        return _garbled(path, "tokens.access_token is not a plain string")
    if account is not None and not _fits_a_header(account):
        return _garbled(path, "tokens.account_id is not a plain string")
    claims = _jwt_claims(token)
    return Login(
        access_token=Secret(str(token)),
        account_id=None if account is None else Secret(str(account)),
        expires_at=_seconds(claims.get("exp")),
        plan_type=_plan_type(_jwt_claims(tokens.get("id_token"))) or _plan_type(claims),
        account_hint=_hint(account),
        unused=tuple(
            Secret(str(value))
            for name in ("refresh_token", "id_token")
            if _fits_a_header(value := tokens.get(name))
        ),
    )


def _garbled(path: str, why: str) -> LoginProblem:
    return LoginProblem(
        LoginKind.GARBLED, f"{path} is damaged: {why}. Type `codex login` to replace it."
    )


def _json_object(data: bytes) -> dict[str, object] | None:
    try:
        content = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return content if isinstance(content, dict) else None


def _fits_a_header(value: object) -> bool:
    return isinstance(value, str) and _HEADER_SAFE.fullmatch(value) is not None


def _jwt_claims(token: object) -> dict[str, object]:
    """Return the unverified claims of a JWT, for display and expiry only; empty for any other token."""
    parts = token.split(".") if isinstance(token, str) else []
    if len(parts) != JWT_PARTS:
        return {}
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "==")
    except ValueError:
        return {}
    return _json_object(payload) or {}


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _plan_type(claims: Mapping[str, object]) -> str | None:
    namespace = claims.get(CLAIMS)
    plan = namespace.get("chatgpt_plan_type") if isinstance(namespace, dict) else None
    # The value is printed on terminals, so control characters are rejected.
    return str(plan) if _fits_a_header(plan) else None


def _hint(account: object) -> str:
    text = account if isinstance(account, str) else ""
    return text[-HINT_LENGTH:] if len(text) > 2 * HINT_LENGTH else ""
