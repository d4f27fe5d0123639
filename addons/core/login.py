"""A ChatGPT login as `codex login` leaves it: the bytes of auth.json in, a `Login` or a `LoginProblem` out.

Never does: open the file, look at the clock, refresh a token (refresh tokens rotate, and a second refresher locks
the user out). Invariant: no bytes make it raise, the plain values go nowhere but into `Secret`, and the token and
the account of one `Login` come from one parse of one file.

Format, source: files written by Codex 0.133 and 0.169.
`{"auth_mode"?: "chatgpt"|"apikey", "OPENAI_API_KEY"?: str|null,
"tokens"?: {"access_token": str, "account_id"?: str|null, "id_token"?: jwt}}`.
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

from addons.core.credential import Secret

SWITCH = "CODEX_SHIM_DISABLE_CHATGPT"
SWITCHED_ON = frozenset({"1", "true", "yes", "on"})
CLAIMS = "https://api.openai.com/auth"
HINT_LENGTH = 4
JWT_PARTS = 3

_HEADER_SAFE = re.compile(r"[\x21-\x7e]+")


class LoginKind(StrEnum):
    """Why there is no ChatGPT login to use."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    """The operating system refused to give the file."""
    GARBLED = "garbled"
    NO_TOKEN = "no_token"  # noqa: S105 - a kind of problem
    API_KEY_ONLY = "api_key_only"
    EXPIRED = "expired"
    DISABLED = "disabled"
    NO_WAY = "no_way"
    """The outbound proxy cannot be used, so no login of anyone can reach the backend."""


@dataclass(frozen=True, slots=True)
class LoginProblem:
    """Why there is no login. `message` names the file and what to type, in one or two sentences."""

    kind: LoginKind
    message: str


@dataclass(frozen=True, slots=True)
class Login:
    """One consistent pair of token and account."""

    access_token: Secret
    account_id: Secret | None = None
    expires_at: float | None = None
    """Unix seconds, from the `exp` of the access token; None when the token does not say."""
    plan_type: str | None = None
    account_hint: str = ""
    """The last four characters of a long enough account id, for display."""

    def same_token(self, other: Login) -> bool:
        """Whether both carry the same access token."""
        return self.access_token.matches(other.access_token)


@dataclass(frozen=True, slots=True)
class NoLogins:
    """The `LoginSource` of a route that is shut, whatever auth.json holds."""

    problem: LoginProblem

    def current(self) -> LoginProblem:
        """Why it is shut."""
        return self.problem

    def reread(self) -> LoginProblem:
        """The same: it stays shut."""
        return self.problem


class LoginSource(Protocol):
    """Where a turn gets its login from."""

    def current(self) -> Login | LoginProblem:
        """The login as the file has it now."""

    def reread(self) -> Login | LoginProblem:
        """The same, past every cache: for use after an upstream refused the token."""


def login_switched_off(env: Mapping[str, str]) -> bool:
    """Whether CODEX_SHIM_DISABLE_CHATGPT switches the ChatGPT route off."""
    return env.get(SWITCH, "").strip().lower() in SWITCHED_ON


def switched_off_problem() -> LoginProblem:
    """What a user is told while the switch is set."""
    return LoginProblem(
        LoginKind.DISABLED,
        f"ChatGPT models are switched off by {SWITCH}. Type `unset {SWITCH}` and restart codex-shim.",
    )


def unreadable_problem(path: str, reason: str) -> LoginProblem:
    """What a user is told when the operating system does not give the file."""
    return LoginProblem(
        LoginKind.UNREADABLE,
        f"codex-shim cannot read {path}: {reason}. Type `ls -l {path}` to see whose file it is.",
    )


def read_login(data: bytes | None, path: str) -> Login | LoginProblem:
    """Read what auth.json holds (None: no such file), whether or not its token has expired.

    `path` is the file's name for messages.
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


def judged(login: Login, path: str, now: float) -> Login | LoginProblem:
    """Give the login back unless its token has expired at `now` (unix seconds)."""
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
    )


def _garbled(path: str, why: str) -> LoginProblem:
    return LoginProblem(
        LoginKind.GARBLED, f"{path} is damaged: {why}. Type `codex login` to write it anew."
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
    """The claims of a JWT, unverified: they are shown and timed, never trusted. Empty for anything else."""
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
    # The value is printed on terminals, so nothing that could steer one may pass.
    return str(plan) if _fits_a_header(plan) else None


def _hint(account: object) -> str:
    text = account if isinstance(account, str) else ""
    return text[-HINT_LENGTH:] if len(text) > 2 * HINT_LENGTH else ""
