"""Reads what `codex login` writes: the bytes of auth.json, or of its copy in the keyring, in; a `Login` or a problem out.

Never does: open the file, read the clock, verify a signature. Invariant: no input raises, the plain values go only into
`Secret`, and the token and the account of one `Login` come from one parse of one file.

Format, source: files written by Codex 0.133 to 0.171, and what 0.171 makes of files with several logins.
`{"auth_mode"?: "chatgpt"|"apikey"|"personalAccessToken"|"agentIdentity"|…, "OPENAI_API_KEY"?: str|null,
"tokens"?: {"access_token": str, "account_id"?: str|null, "id_token"?: jwt, "refresh_token"?: str},
"personal_access_token"?: str, "agent_identity"?: jwt|object}`.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping

import orjson

from addons.core.codex.login import Login, LoginKind, LoginMethod, LoginProblem
from addons.core.secrets import Secret

CLAIMS = "https://api.openai.com/auth"
HINT_LENGTH = 4
JWT_PARTS = 3
CHATGPT, API_KEY, ACCESS_TOKEN, AGENT = "chatgpt", "apikey", "personalAccessToken", "agentIdentity"
"""Values of `auth_mode`."""
MEMBERS: Mapping[str, str] = {
    API_KEY: "OPENAI_API_KEY",
    ACCESS_TOKEN: "personal_access_token",
    AGENT: "agent_identity",
}
"""`auth_mode` → the member that it needs. Every other mode needs `tokens`."""
FEDRAMP_KEYS = ("sk-proj-fedramp-", "sk-svcacct-fedramp-")
"""Beginnings of the API keys that Codex 0.171 sends to gov.api.openai.com."""

_HEADER_SAFE = re.compile(r"[\x21-\x7e]+")


def read_login(data: bytes | None, path: str) -> Login | LoginProblem:
    """Return the login in the bytes of auth.json (None: no such file), even with an expired token.

    `path` names the file in messages.
    """
    if data is None:
        return LoginProblem(
            LoginKind.MISSING,
            f"There is no ChatGPT login in {path}. Type `codex login`.",
        )
    content = _json_object(data)
    if content is None:
        return _garbled(path, "it is not a JSON object")
    mode = _mode(content)
    if mode == API_KEY:
        return _api_key(content, path)
    if mode == ACCESS_TOKEN:
        return _access_token(content, path)
    if mode == AGENT:
        return _agent_identity(content, path)
    return _tokens(content, mode, path)


def has_codex_login(data: bytes | None) -> bool:
    """Return whether Codex itself finds a login for ChatGPT in these bytes of auth.json, an expired one included.

    Codex 0.171 ignores tokens without an `id_token` in JWT form. It refreshes an expired token itself.
    """
    content = _json_object(data or b"") or {}
    mode, tokens = _mode(content), content.get("tokens")
    if mode == ACCESS_TOKEN:
        return fits_a_header(content.get(MEMBERS[mode]))
    if mode == AGENT:
        return bool(content.get(MEMBERS[mode]))
    if not isinstance(tokens, dict) or mode != CHATGPT:
        return False
    return fits_a_header(tokens.get("access_token")) and bool(_jwt_claims(tokens.get("id_token")))


def has_api_key(data: bytes | None) -> bool:
    """Return whether Codex is logged in with an API key by these bytes of auth.json."""
    content = _json_object(data or b"") or {}
    return _mode(content) == API_KEY and fits_a_header(content.get(MEMBERS[API_KEY]))


def _mode(content: Mapping[str, object]) -> str:
    """Return the login that Codex 0.171 uses. Without `auth_mode` an access token is preferred, then an API key."""
    named = content.get("auth_mode")
    if isinstance(named, str):
        return named
    stored = (mode for mode in (ACCESS_TOKEN, API_KEY) if content.get(MEMBERS[mode]))
    return next(stored, CHATGPT)


def _api_key(content: Mapping[str, object], path: str) -> Login | LoginProblem:
    key = content.get(MEMBERS[API_KEY])
    if not key:
        command = "printenv OPENAI_API_KEY | codex login --with-api-key"
        message = f"{path} names an API key and holds none. Type `{command}`."
        return LoginProblem(LoginKind.NO_TOKEN, message, command)
    if not fits_a_header(key):
        return _garbled(path, "OPENAI_API_KEY is not a plain string")
    is_fedramp = str(key).startswith(FEDRAMP_KEYS)
    return Login(Secret(str(key)), method=LoginMethod.API_KEY, is_fedramp=is_fedramp)


def _access_token(content: Mapping[str, object], path: str) -> Login | LoginProblem:
    token = content.get(MEMBERS[ACCESS_TOKEN])
    if not token:
        command = "printenv CODEX_ACCESS_TOKEN | codex login --with-access-token"
        message = f"{path} names a personal access token and holds none. Type `{command}`."
        return LoginProblem(LoginKind.NO_TOKEN, message, command)
    if not fits_a_header(token):
        return _garbled(path, "personal_access_token is not a plain string")
    return Login(Secret(str(token)), method=LoginMethod.ACCESS_TOKEN)


def _agent_identity(content: Mapping[str, object], path: str) -> LoginProblem:
    if not content.get(MEMBERS[AGENT]):
        message = f"{path} names an agent identity and holds none. Type `codex login`."
        return LoginProblem(LoginKind.NO_TOKEN, message)
    return LoginProblem(
        LoginKind.AGENT_IDENTITY,
        f"{path} holds an agent identity, with which only Codex can sign a request, and this request was not signed. "
        "Type `codex-shim enable` and use Codex.",
    )


def _tokens(content: Mapping[str, object], mode: str, path: str) -> Login | LoginProblem:
    tokens = content.get("tokens")
    if isinstance(tokens, dict) and tokens.get("access_token"):
        return _login_of(tokens, path)
    if mode != CHATGPT:
        return LoginProblem(
            LoginKind.UNSUPPORTED,
            f"{path} holds a login of the kind {ascii(mode)[:40]}, which only Codex itself can use. "
            "Type `codex login` and choose ChatGPT.",
        )
    return LoginProblem(
        LoginKind.NO_TOKEN, f"{path} holds no ChatGPT access token. Type `codex login`."
    )


def _login_of(tokens: Mapping[str, object], path: str) -> Login | LoginProblem:
    token, account = tokens.get("access_token"), tokens.get("account_id")
    if not fits_a_header(token):
        return _garbled(path, "tokens.access_token is not a plain string")
    if account is not None and not fits_a_header(account):
        return _garbled(path, "tokens.account_id is not a plain string")
    claims, identity = _jwt_claims(token), _account_claims(_jwt_claims(tokens.get("id_token")))
    if account is None:
        account = _plain(identity, "chatgpt_account_id")
    return Login(
        access_token=Secret(str(token)),
        account_id=None if account is None else Secret(str(account)),
        expires_at=_seconds(claims.get("exp")),
        plan_type=_plain(identity, "chatgpt_plan_type")
        or _plain(_account_claims(claims), "chatgpt_plan_type"),
        account_hint=account_hint(account),
        unused=tuple(
            Secret(str(value))
            for name in ("refresh_token", "id_token")
            if fits_a_header(value := tokens.get(name))
        ),
        is_fedramp=identity.get("chatgpt_account_is_fedramp") is True,
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


def fits_a_header(value: object) -> bool:
    """Return whether a value is a string without blanks and control characters."""
    return isinstance(value, str) and _HEADER_SAFE.fullmatch(value) is not None


def _jwt_claims(token: object) -> dict[str, object]:
    """Return the unverified claims of a JWT; empty for any other token. The backend verifies the token itself."""
    parts = token.split(".") if isinstance(token, str) else []
    if len(parts) != JWT_PARTS:
        return {}
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "==")
    except ValueError:
        return {}
    return _json_object(payload) or {}


def _account_claims(claims: Mapping[str, object]) -> Mapping[str, object]:
    namespace = claims.get(CLAIMS)
    return namespace if isinstance(namespace, dict) else {}


def _plain(claims: Mapping[str, object], name: str) -> str | None:
    """Return a claim that is sent or printed, so control characters are rejected."""
    value = claims.get(name)
    return str(value) if fits_a_header(value) else None


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def account_hint(account: object) -> str:
    """Return the last characters of an account id, if it is long enough to stay unknown."""
    text = account if isinstance(account, str) else ""
    return text[-HINT_LENGTH:] if len(text) > 2 * HINT_LENGTH else ""
