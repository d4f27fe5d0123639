"""The login that Codex keeps: its kind, its secrets, the headers that go with it, and why there may be none.

Never does: read a file, read the clock, refresh a token (refresh tokens rotate, and a second refresher locks the user
out). Invariant: the plain values are only in `Secret`, and the token and the account of one `Login` belong together.

Source of the headers: Codex 0.171 on loopback with each kind of login.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from addons.core.headers import Headers
from addons.core.secrets import Origin, Secret

DISABLE_VARIABLE = "CODEX_SHIM_DISABLE_CHATGPT"
TRUE_VALUES = frozenset({"1", "true", "yes", "on"})
FEDRAMP = b"x-openai-fedramp"
ROUTING = b"x-openai-account-routing-override"


class LoginMethod(StrEnum):
    """How the user has logged in to Codex. The value is for display."""

    CHATGPT = "ChatGPT login"
    ACCESS_TOKEN = "personal access token"  # noqa: S105 - a kind of login
    API_KEY = "API key"


class LoginKind(StrEnum):
    """Why there is no login to use."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    """The operating system refused to read the file."""
    GARBLED = "garbled"
    NO_TOKEN = "no_token"  # noqa: S105 - a kind of problem
    UNSUPPORTED = "unsupported"
    """A kind of login that only Codex can use, such as that of Amazon Bedrock."""
    AGENT_IDENTITY = "agent_identity"
    """Codex signs each request, so the shim sends what Codex has signed and cannot send a request of its own."""
    KEYRING = "keyring"
    """Codex keeps its login in the system's keyring, which cannot be read."""
    CHANGED = "changed"
    """The login is of another kind than the one that the route was made for."""
    API_BASE = "api_base"
    """The address that config.toml names for API keys cannot be used."""
    EXPIRED = "expired"
    DISABLED = "disabled"
    PROXY_UNUSABLE = "no_way"
    """The outbound proxy cannot be used, so no login can reach the backend."""


@dataclass(frozen=True, slots=True)
class LoginProblem:
    """Why there is no login. `message` names the file and the command to type, in one or two sentences."""

    kind: LoginKind
    message: str
    command: str = "codex login"
    """What to type, if the kind does not say."""

    @property
    def is_with_client(self) -> bool:
        """Whether Codex itself has a login that it sends with each request."""
        return self.kind is LoginKind.AGENT_IDENTITY


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
    method: LoginMethod = LoginMethod.CHATGPT
    is_fedramp: bool = False
    """Whether the account is a FedRAMP workspace, or the key is one of a FedRAMP project."""
    routing_override: str = ""
    """The region of an account with data residency, as the backend names it; empty for none."""
    backend: Origin | None = None
    """The origin that serves this login; None for that of the route."""

    @property
    def headers(self) -> Headers:
        """The headers without secrets that Codex sends with this login."""
        has_mark = self.is_fedramp and self.method is not LoginMethod.API_KEY
        fedramp = ((FEDRAMP, b"true"),) if has_mark else ()
        routing = ((ROUTING, self.routing_override.encode()),) if self.routing_override else ()
        return (*fedramp, *routing)

    @property
    def lacks_account(self) -> bool:
        """Whether the account belongs to the login and is not known yet."""
        return self.method is LoginMethod.ACCESS_TOKEN and self.account_id is None

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
        f"codex-shim cannot read {path}: {reason}. Type `ls -l {shlex.quote(path)}` to see who owns it.",
    )


def keyring_problem(reason: str, command: str) -> LoginProblem:
    """Return the problem of a keyring that cannot be read. `command` is what to type; empty for none in particular."""
    keep_in_file = (
        'put cli_auth_credentials_store = "file" into Codex\'s config.toml and type `codex login`'
    )
    first = f"Type `{command}`, or" if command else "To have it in auth.json,"
    advice = f"{first} {keep_in_file}"
    return LoginProblem(
        LoginKind.KEYRING,
        f"Codex keeps its login in the system keyring, and codex-shim cannot read it: {reason}. {advice}.",
        command or "codex login",
    )


def check_expiry(login: Login, path: str, now: float) -> Login | LoginProblem:
    """Return the login, or a problem when its token has expired at `now` (unix seconds)."""
    if login.expires_at is None or now < login.expires_at:
        return login
    return LoginProblem(
        LoginKind.EXPIRED,
        f"The ChatGPT login in {path} has expired. Run `codex` once to refresh it, or type `codex login`.",
    )
