"""Reads what the running shim tells clients of this user: JSON of its own endpoints.

Never does: use a proxy of the environment, or send the token anywhere else than to the given address. Invariant: no answer, and
an answer that is no JSON, is a ShimApiError.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http.client import HTTPException

from addons.core.headers import TOKEN_HEADER
from addons.core.json_values import as_object, as_str
from shim_cli.console.reasons import reason_of

TIMEOUT_SECONDS = 30.0


class ShimApiError(Exception):
    """The shim gave no answer, or refused. The text says why, if the shim or the system did."""

    def __init__(self, reason: str, code: str = "", status: int = 0) -> None:
        super().__init__(reason)
        self.code = code
        """The code of the shim's error."""
        self.status = status
        """The status of the answer; 0 if there was none."""


def get_json(url: str, token: str) -> object:
    """Return the parsed answer. `token`: the local token, or nothing. Raises ShimApiError."""
    headers = {TOKEN_HEADER: token} if token else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  a port of this machine
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=TIMEOUT_SECONDS) as response:
            found: object = json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(error.read(), error.code) from None
    except (OSError, HTTPException, ValueError) as error:
        raise ShimApiError(reason_of(getattr(error, "reason", error))) from None
    return found


def _refusal(body: bytes, status: int) -> ShimApiError:
    try:
        error = as_object(as_object(json.loads(body)).get("error"))
    except ValueError:
        error = {}
    return ShimApiError(as_str(error.get("message")), as_str(error.get("code")), status)
