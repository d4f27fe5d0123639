"""Faults while connecting to an upstream. The outcome is the same on every route."""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults.fault import IMMEDIATELY, RETRIES
from tests.faults.outcomes import Pair, failed, http


@dataclass(frozen=True)
class ConnectFault:
    """A row of the fault table."""

    name: str
    what: str
    expected: Pair
    within: str

    def __str__(self) -> str:
        return self.name


def _unreachable(name: str, what: str, message: str) -> ConnectFault:
    code = "upstream_unreachable"
    return ConnectFault(name, what, Pair(failed(code, message), http(502, code, message)), RETRIES)


def _untrusted(name: str, what: str) -> ConnectFault:
    code, message = "invalid_prompt", "does not trust the certificate"
    return ConnectFault(
        name, what, Pair(failed(code, message), http(502, code, message)), IMMEDIATELY
    )


CONNECT_FAULTS = (
    _unreachable("refused", "refuses the connection", "could not connect"),
    _unreachable("dns", "has a host name that does not resolve", "could not connect"),
    _untrusted("tls-expired", "presents an expired certificate"),
    _untrusted("tls-wrong-host", "presents a certificate for another name"),
    _untrusted("tls-self-signed", "presents a certificate of an unknown authority"),
)
