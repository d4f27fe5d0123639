"""Whether the user is logged in with Cursor, from what `cursor-agent status` prints.

Source: cursor-agent of August 2026; it exits with 0 in every state, so its words alone decide. Never keeps the
account's address. Invariant: total; what cannot be understood is not a login.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import orjson

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
LOGIN = "Run `cursor-agent login`; codex-shim notices it within a minute."


class Login(StrEnum):
    """What is known of the login."""

    IN = "in"
    OUT = "out"
    UNKNOWN = "unknown"
    """The answer was not understood: another form of the command may be."""


def read_status(stdout: bytes) -> Login:
    """Read an answer, JSON or words."""
    text = _ANSI.sub("", stdout.decode("utf-8", "replace")).strip()
    start = text.find("{")
    return (_of_json(text[start:]) if start >= 0 else None) or _of_words(text)


def _of_json(text: str) -> Login | None:
    try:
        answer = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    known = isinstance(answer, dict) and ("isAuthenticated" in answer or "status" in answer)
    if not known:
        return None
    # With an access token alone a turn can be tried: Cursor itself says when it no longer will do.
    partly = answer.get("status") == "partially-authenticated"
    held = answer.get("isAuthenticated", answer.get("status") == "authenticated") is True
    return Login.IN if held or (partly and answer.get("hasAccessToken") is True) else Login.OUT


def _of_words(text: str) -> Login:
    lowered = text.lower()
    # The negative first: it contains the positive.
    if re.search(
        r"not (?:currently )?(?:logged in|authenticated)|logged out|unauthenticated", lowered
    ):
        return Login.OUT
    if re.search(r"\blogged in\b|\bauthenticated\b", lowered):
        return Login.IN
    return Login.UNKNOWN


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether turns can go to Cursor: the binary when they can, else why not, with what to type."""

    binary: str = ""
    reason: str = ""

    @property
    def usable(self) -> bool:
        """Whether a turn can be tried."""
        return not self.reason


DISABLED = Availability(
    reason="Cursor is switched off by CODEX_SHIM_DISABLE_CURSOR. Unset it and start codex-shim again."
)
NOT_ASKED = Availability(
    reason="cursor-agent is being asked whether you are logged in. Look again in a moment."
)
NOT_FOUND = Availability(
    reason="cursor-agent is not installed. Run `curl https://cursor.com/install -fsS | bash`, then `cursor-agent login`."
)
ON_WINDOWS = Availability(
    reason="Cursor models need Linux, macOS or WSL: run codex-shim and cursor-agent inside WSL."
)


def wrong_binary(path: str) -> Availability:
    """CURSOR_AGENT_BIN names nothing that can be run."""
    return Availability(
        reason=f"CURSOR_AGENT_BIN names {path}, which cannot be run. Correct it, or unset it to look on PATH."
    )


def logged_out(binary: str) -> Availability:
    """The binary is there and the login is not."""
    return Availability(binary, f"Cursor is logged out here. {LOGIN}")


def no_answer(binary: str, what: str) -> Availability:
    """The status command did not say what was asked. `what` is our own text."""
    return Availability(binary, f"`{binary} status` {what}. Run it in a terminal to see why.")


def listed_models(stdout: bytes) -> frozenset[str]:
    """The ids that `cursor-agent models` lists: lines like `composer-2.5 - Composer 2.5 (default)`."""
    lines = _ANSI.sub("", stdout.decode("utf-8", "replace")).splitlines()
    pairs = (line.strip().partition(" - ") for line in lines)
    return frozenset(model for model, dash, _ in pairs if dash and " " not in model)
