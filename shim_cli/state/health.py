"""Probe a port for a running shim.

Never does: wait longer than TIMEOUT_SECONDS, use a proxy of the environment. Invariant: a port that is closed, silent or
used by another program gives a `Health` with a reason, never an exception.
"""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Literal

from addons.core.headers import TOKEN_HEADER
from addons.core.json_values import as_object, as_str
from shim_cli.console.printable import printable_line

TIMEOUT_SECONDS = 0.8
_MAX_RESPONSE_BYTES = 64 * 1024

State = Literal["running", "stopped", "unhealthy"]


@dataclass(frozen=True, slots=True)
class Health:
    """The state of the shim at `url`. `report` is its /health response, empty unless it is a shim."""

    url: str
    state: State
    reason: str = ""
    report: dict[str, object] = field(default_factory=dict)

    @property
    def models(self) -> int:
        """The number of models that the shim offers."""
        count = self.report.get("models")
        return count if isinstance(count, int) else 0

    @property
    def unavailable(self) -> list[str]:
        """What is not asked now, and who answers meanwhile: `gpt-5.5 is used up until 14:20; mine answers`."""
        found = self.report.get("unavailable")
        entries = found if isinstance(found, list) else []
        texts = (as_str(as_object(one).get("text")) for one in entries)
        return [printable_line(text) for text in texts if text]


def probe(port: int) -> Health:
    """Return the health of the shim on a port of this machine: over IPv4, else over IPv6."""
    first = _probe(f"http://127.0.0.1:{port}")
    if first.state != "stopped":
        return first
    second = _probe(f"http://[::1]:{port}")
    return second if second.state == "running" else first


def accepts_token(url: str, token: str) -> bool:
    """Return whether the shim accepts this local token; True as well if it does not answer in time."""
    request = urllib.request.Request(f"{url}/api/models", headers={TOKEN_HEADER: token})  # noqa: S310
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=TIMEOUT_SECONDS):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return error.code not in {401, 403}
    except (OSError, HTTPException, ValueError):
        # No answer, or a token that is not a valid header value: only Codex can report that.
        return True


def is_listening(port: int) -> bool:
    """Return whether any program listens on a port of this machine."""
    for host in ("127.0.0.1", "::1"):
        try:
            with socket.create_connection((host, port), TIMEOUT_SECONDS):
                return True
        except OSError:
            continue
    return False


def _probe(url: str) -> Health:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url}/health", timeout=TIMEOUT_SECONDS) as response:
            payload = response.read(_MAX_RESPONSE_BYTES)
    except urllib.error.HTTPError as error:
        error.close()
        return Health(url, "unhealthy", f"another program answers there (status {error.code})")
    except urllib.error.URLError as error:
        return _unreachable(url, error.reason)
    except (OSError, HTTPException) as error:
        return _unreachable(url, error)
    return _parsed(url, payload)


def _unreachable(url: str, reason: object) -> Health:
    if isinstance(reason, ConnectionRefusedError):
        return Health(url, "stopped")
    if isinstance(reason, TimeoutError):
        return Health(url, "unhealthy", f"no answer within {TIMEOUT_SECONDS} s")
    return Health(url, "unhealthy", f"no HTTP answer ({type(reason).__name__})")


def _parsed(url: str, payload: bytes) -> Health:
    try:
        report = json.loads(payload)
    except ValueError:
        report = None
    if not isinstance(report, dict) or not isinstance(report.get("models"), int):
        return Health(url, "unhealthy", "another program answers there")
    if report.get("ok") is not True:
        return Health(url, "unhealthy", "the shim is not ready", report)
    return Health(url, "running", "", report)
