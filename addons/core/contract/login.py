"""A ChatGPT login that is valid nowhere, for a Codex or a shim that talks to a scripted server only. Pure.

Never does: hold a name, an address or a token of anybody. Source: auth.json of Codex 0.171 (2026-11).
"""

from __future__ import annotations

import base64

import orjson

from addons.core.json_values import JsonDict

_NOBODY = "nobody"
_YEAR_2100 = 4_102_444_800


def fabricated_login() -> bytes:
    """Return the content of an auth.json whose tokens no server accepts."""
    token = _token()
    tokens = {"id_token": token, "access_token": token, "refresh_token": _NOBODY, "account_id": _NOBODY}  # fmt: skip
    login = {"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": tokens, "last_refresh": "2100-01-01T00:00:00Z"}  # fmt: skip
    return orjson.dumps(login)


def _token() -> str:
    claims = {"chatgpt_account_id": _NOBODY, "chatgpt_plan_type": "plus", "chatgpt_user_id": _NOBODY}  # fmt: skip
    parts: tuple[JsonDict, ...] = (
        {"alg": "none"},
        {"exp": _YEAR_2100, "email": "nobody@example.com", "https://api.openai.com/auth": claims},
        {},
    )
    return ".".join(
        base64.urlsafe_b64encode(orjson.dumps(part)).rstrip(b"=").decode() for part in parts
    )
