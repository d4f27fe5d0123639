"""The fabricated login: readable as a ChatGPT login, and not signed by anybody."""

from __future__ import annotations

import base64

import orjson

from addons.core.contract.login import fabricated_login


def test_login_has_what_codex_reads_and_no_signature() -> None:
    login = orjson.loads(fabricated_login())
    assert login["auth_mode"] == "chatgpt"
    head, claims, signature = (
        orjson.loads(base64.urlsafe_b64decode(part + "=="))
        for part in login["tokens"]["access_token"].split(".")
    )
    assert head == {"alg": "none"}
    assert signature == {}
    account = claims["https://api.openai.com/auth"]["chatgpt_account_id"]
    assert account == login["tokens"]["account_id"] == "nobody"
