"""The login state of Cursor, from the output of `cursor-agent status`.

Source: cursor-agent of August 2026. It exits with 0 in every state, so only its output decides. Never keeps the
account's address. Invariant: total; output that is not understood is not a login.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import orjson

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
LOGIN_ADVICE = "Run `cursor-agent login`; codex-shim notices it within a minute."


class Login(StrEnum):
    """The state of the login."""

    IN = "in"
    OUT = "out"
    UNKNOWN = "unknown"
    """The output was not understood. Another form of the command may give one that is."""


def read_status(stdout: bytes) -> Login:
    """Return the login state from the command's output, JSON or plain text."""
    text = _ANSI.sub("", stdout.decode("utf-8", "replace")).strip()
    start = text.find("{")
    return (_from_json(text[start:]) if start >= 0 else None) or _from_text(text)


def _from_json(text: str) -> Login | None:
    try:
        status = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not (isinstance(status, dict) and ("isAuthenticated" in status or "status" in status)):
        return None
    # An access token alone is enough to try a turn: Cursor reports an error when the token no longer works.
    has_token = status.get("hasAccessToken") is True
    is_partial = status.get("status") == "partially-authenticated" and has_token
    is_full = status.get("isAuthenticated", status.get("status") == "authenticated") is True
    return Login.IN if is_full or is_partial else Login.OUT


def _from_text(text: str) -> Login:
    lowered = text.lower()
    # Negative forms first: they contain the positive ones.
    if re.search(
        r"not (?:currently )?(?:logged in|authenticated)|logged out|unauthenticated", lowered
    ):
        return Login.OUT
    if re.search(r"\blogged in\b|\bauthenticated\b", lowered):
        return Login.IN
    return Login.UNKNOWN


@dataclass(frozen=True, slots=True)
class Availability:
    """The program to run, or the reason why no turn can go to Cursor, with the command to type."""

    binary: str = ""
    reason: str = ""

    @property
    def usable(self) -> bool:
        """Whether a turn can be started."""
        return not self.reason


DISABLED = Availability(
    reason="Cursor is switched off by CODEX_SHIM_DISABLE_CURSOR. Unset it and start codex-shim again."
)
NOT_CHECKED = Availability(
    reason="cursor-agent is being asked whether you are logged in. Look again in a moment."
)
NOT_FOUND = Availability(
    reason="cursor-agent is not installed. Run `curl https://cursor.com/install -fsS | bash`, then `cursor-agent login`."
)
ON_WINDOWS = Availability(
    reason="Cursor models need Linux, macOS or WSL: run codex-shim and cursor-agent inside WSL."
)


def wrong_binary(path: str) -> Availability:
    """Return the state of a CURSOR_AGENT_BIN that is not a program."""
    return Availability(
        reason=f"CURSOR_AGENT_BIN names {path}, which cannot be run. Correct it, or unset it to look on PATH."
    )


def logged_out(binary: str) -> Availability:
    """Return the state of a program without a login."""
    return Availability(binary, f"Cursor is logged out here. {LOGIN_ADVICE}")


def status_failed(binary: str, what: str) -> Availability:
    """Return the state of a program whose status command failed. `what` completes the sentence."""
    return Availability(binary, f"`{binary} status` {what}. Run it in a terminal to see why.")


def listed_models(stdout: bytes) -> frozenset[str]:
    """Return the ids from the output of `cursor-agent models`: lines like `composer-2.5 - Composer 2.5 (default)`."""
    lines = _ANSI.sub("", stdout.decode("utf-8", "replace")).splitlines()
    pairs = (line.strip().partition(" - ") for line in lines)
    return frozenset(model for model, dash, _ in pairs if dash and " " not in model)
