"""Ask a port whether a shim answers there.

Never does: wait longer than a moment, use a proxy of the environment. Invariant: every way in which a port can be
silent, closed or somebody else's is a `Health` with words for it, never an exception.
"""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Literal

LIMIT_SECONDS = 0.8
_ANSWER_BYTES = 64 * 1024

State = Literal["running", "stopped", "unhealthy"]


@dataclass(frozen=True, slots=True)
class Health:
    """What answers at `url`. `report` is /health as the shim gave it, empty unless it is running."""

    url: str
    state: State
    reason: str = ""
    report: dict[str, object] = field(default_factory=dict)

    @property
    def models(self) -> int:
        """How many models the shim offers."""
        count = self.report.get("models")
        return count if isinstance(count, int) else 0


def probe(port: int) -> Health:
    """GET /health of the shim on this machine, by its IPv4 address, else by its IPv6 one."""
    first = _probe(f"http://127.0.0.1:{port}")
    if first.state != "stopped":
        return first
    second = _probe(f"http://[::1]:{port}")
    return second if second.state == "running" else first


def admits(url: str, token: str) -> bool:
    """Whether the shim there takes this local token. One that does not answer in time is not judged."""
    request = urllib.request.Request(f"{url}/api/models", headers={"x-codex-shim-token": token})  # noqa: S310
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=LIMIT_SECONDS):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return error.code not in {401, 403}
    except (OSError, HTTPException, ValueError):
        # no answer, or a value that is no header: Codex would have to say so itself
        return True


def listens(port: int) -> bool:
    """Whether anybody takes connections on a port of this machine."""
    for host in ("127.0.0.1", "::1"):
        try:
            with socket.create_connection((host, port), LIMIT_SECONDS):
                return True
        except OSError:
            continue
    return False


def _probe(url: str) -> Health:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url}/health", timeout=LIMIT_SECONDS) as answer:
            payload = answer.read(_ANSWER_BYTES)
    except urllib.error.HTTPError as error:
        error.close()
        return Health(url, "unhealthy", f"something else answers there (status {error.code})")
    except urllib.error.URLError as error:
        return _unreachable(url, error.reason)
    except (OSError, HTTPException) as error:
        return _unreachable(url, error)
    return _judged(url, payload)


def _unreachable(url: str, reason: object) -> Health:
    if isinstance(reason, ConnectionRefusedError):
        return Health(url, "stopped")
    if isinstance(reason, TimeoutError):
        return Health(url, "unhealthy", f"no answer within {LIMIT_SECONDS} s")
    return Health(url, "unhealthy", f"no HTTP answer ({type(reason).__name__})")


def _judged(url: str, payload: bytes) -> Health:
    try:
        report = json.loads(payload)
    except ValueError:
        report = None
    if not isinstance(report, dict) or not isinstance(report.get("models"), int):
        return Health(url, "unhealthy", "something else answers there")
    if report.get("ok") is not True:
        return Health(url, "unhealthy", "the shim says that it is not ready", report)
    return Health(url, "running", "", report)
