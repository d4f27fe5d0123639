"""Probe a port for a running shim.

Every `list` probes the running shims, and an HTTP client of the standard library takes longer to import than all the
rest of it, so a probe writes its request and reads the answer from a socket.

Never does: wait longer than TIMEOUT_SECONDS for an answer, use a proxy of the environment. Invariant: a port that is
closed, silent or used by another program gives a `Health` with a reason, never an exception.
"""

from __future__ import annotations

import json
import re
import socket
import time
from dataclasses import dataclass, field
from typing import Literal

from shim_cli.console.printable import printable_line

TIMEOUT_SECONDS = 0.8
_MAX_RESPONSE_BYTES = 64 * 1024
_READ_BYTES = 16 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})\b")
_SUCCESS = (b"HTTP/1.0 2", b"HTTP/1.1 2")
_IPV4, _IPV6 = "127.0.0.1", "::1"

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
        texts = (one.get("text") for one in entries if isinstance(one, dict))
        return [printable_line(text) for text in texts if text and isinstance(text, str)]


def probe(port: int) -> Health:
    """Return the health of the shim on a port of this machine: over IPv4, else over IPv6."""
    first = _probe(_IPV4, port)
    if first.state != "stopped":
        return first
    second = _probe(_IPV6, port)
    return second if second.state == "running" else first


def accepts_token(url: str, token: str) -> bool:
    """Return whether the shim accepts this local token; True as well if it does not answer in time."""
    # an HTTP client, which `list` does without
    import urllib.error  # noqa: PLC0415
    import urllib.request  # noqa: PLC0415
    from http.client import HTTPException  # noqa: PLC0415

    from addons.core.headers import TOKEN_HEADER  # noqa: PLC0415

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
    for host in (_IPV4, _IPV6):
        try:
            with socket.create_connection((host, port), TIMEOUT_SECONDS):
                return True
        except OSError:
            continue
    return False


def _probe(host: str, port: int) -> Health:
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    url = f"http://{authority}"
    try:
        answer = _exchange(host, port, f"GET /health HTTP/1.0\r\nhost: {authority}\r\n\r\n")
    except OSError as error:
        return _unreachable(url, error)
    status = _STATUS.match(answer)
    if not status:
        reason = "its answer is not HTTP" if answer else "it closed the connection unanswered"
        return Health(url, "unhealthy", reason)
    if not status[1].startswith(b"2"):
        return Health(url, "unhealthy", f"another program answers there (status {int(status[1])})")
    return _parsed(url, answer.partition(b"\r\n\r\n")[2])


def _exchange(host: str, port: int, request: str) -> bytes:
    """Send a request and return what comes until the other side closes, as it does in HTTP/1.0. Raises OSError."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    with socket.create_connection((host, port), TIMEOUT_SECONDS) as connection:
        connection.sendall(request.encode())
        answer = b""
        while len(answer) < _MAX_RESPONSE_BYTES:
            connection.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data = connection.recv(_READ_BYTES)
            except TimeoutError:
                if not answer or answer.startswith(_SUCCESS):
                    raise
                # no shim, and a program that leaves its connections open
                break
            if not data:
                break
            answer += data
    return answer


def _unreachable(url: str, reason: OSError) -> Health:
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
