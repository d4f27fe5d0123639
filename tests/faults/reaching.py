"""Faults on the way to an upstream, before a byte of HTTP: what each client is told, on every route alike."""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults.fault import OWN_TRIES
from tests.faults.outcomes import Pair, failed, http


@dataclass(frozen=True)
class Reach:
    """A row of the matrix."""

    name: str
    what: str
    told: Pair
    within: str

    def __str__(self) -> str:
        return self.name


def _unreachable(name: str, what: str, says: str) -> Reach:
    code = "upstream_unreachable"
    return Reach(name, what, Pair(failed(code, says), http(502, code, says)), OWN_TRIES)


def _untrusted(name: str, what: str) -> Reach:
    code, says = "invalid_prompt", "does not trust the certificate"
    return Reach(name, what, Pair(failed(code, says), http(502, code, says)), "at once")


REACHING = (
    _unreachable("refused", "listens nowhere", "could not connect"),
    _unreachable("dns", "has a name that no resolver knows", "could not connect"),
    _untrusted("tls-expired", "shows a certificate that has expired"),
    _untrusted("tls-wrong-host", "shows a certificate for another name"),
    _untrusted("tls-self-signed", "shows a certificate that nobody vouches for"),
)
