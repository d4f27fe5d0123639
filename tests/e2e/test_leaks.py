"""The scanner itself: a scan that finds nothing proves something only if the scanner finds what is there."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from tests.e2e.leaks import FRAGMENT, leaks
from tests.fakes.account import Account

CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "inside JSON": lambda data: json.dumps({"authorization": data.decode()}).encode(),
    "URL-encoded": lambda data: quote(data, safe="").encode(),
    "hex": lambda data: data.hex().encode(),
    "HEX": lambda data: data.hex().upper().encode(),
    "base64": base64.b64encode,
    "base64url": base64.urlsafe_b64encode,
    "base64 of a header, one further": lambda data: base64.b64encode(b"Bearer: " + data + b"\r\n"),
    "base64 of a header, two further": lambda data: base64.b64encode(b"Bearer : " + data + b"\r"),
    "its last characters only": lambda data: b"..." + data[-FRAGMENT:],
}


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("name", ["access token", "id token", "refresh token", "account id"])
def test_every_secret_is_found_in_every_coding(coding: str, name: str) -> None:
    secrets = Account().secrets
    data = b"before " + CODINGS[coding](secrets[name].encode()) + b" after"

    assert name in {found.partition(" (")[0] for found in leaks(data, secrets)}


def test_another_account_is_not_found() -> None:
    assert leaks(json.dumps(Account().secrets).encode(), Account().secrets) == []
