"""What a failure of cursor-agent means: its words → one `Problem` with the command to type.

Source: messages of cursor-agent as users reported them, 2025 to 2026; it promises none of them. Never quotes an event
that a child mirrors to stderr, for that may be the conversation. Invariant: total; a turn in which Cursor has begun to
act is never one that Codex tries again by itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from addons.core.errors import Problem
from addons.core.upstream_errors import printable

FINAL = "invalid_prompt"
"""The code at which Codex stops and shows the message."""
SHOWN_CHARACTERS = 300
SHOWN_LINES = 3


class Kind(StrEnum):
    """What a failure is about."""

    KEY = "key"
    AUTH = "auth"
    TRUST = "trust"
    QUOTA = "quota"
    MODEL = "model"
    RACE = "race"
    CAPACITY = "capacity"
    PLAN = "plan"
    OPTION = "option"
    NETWORK = "network"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Row:
    """How a kind is told. `{says}` is the line that gave it away."""

    status: int
    type: str
    code: str
    text: str


# The first that matches counts: what is more certain, or says more, stands before the rest.
PATTERNS: tuple[tuple[Kind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE | re.MULTILINE))
    for kind, pattern in (
        (Kind.KEY, r"api key is invalid|loaded from the CURSOR_API_KEY"),
        (Kind.AUTH, r"authentication required|\[unauthenticated\]|\bnot logged in\b|run '?(?:cursor-)?agent login"),
        (Kind.TRUST, r"workspace trust required|pass --trust"),
        (Kind.QUOTA, r"usage limit|spendLimitHit|spend limit|ActionRequiredError"),
        (Kind.MODEL, r"cannot use this model"),
        (Kind.RACE, r"(?:ENOENT|EPERM)\b.*\brename\b.*cli-config\.json"),
        (Kind.CAPACITY, r"\[resource_exhausted\]"),
        (Kind.PLAN, r"\bfree plan\b|named models? (?:is|are) (?:un|not )available|^\w{1,2}: (?!\[)\S"),
        (Kind.OPTION, r"unknown (?:option|argument)|option .{1,80} argument .{1,80} is invalid"),
        (Kind.NETWORK, r"\[(?:unavailable|deadline_exceeded)\]|ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|fetch failed"),
    )
)  # fmt: skip

ROWS: dict[Kind, Row] = {
    Kind.KEY: Row(500, "codex_shim_error", FINAL, "cursor-agent used an API key, although codex-shim gives it none, so the turn was stopped: {says}. Look for a key in ~/.cursor, then run `cursor-agent login`."),
    Kind.AUTH: Row(401, "authentication_error", FINAL, "Cursor is logged out here. Run `cursor-agent login`, then send the turn again."),
    Kind.TRUST: Row(403, "permission_error", FINAL, "cursor-agent does not trust the folder of this turn, although it was told to: {says}. Run `cursor-agent` once in that folder, or name another one by CODEX_SHIM_CURSOR_WORKSPACE."),
    Kind.QUOTA: Row(429, "insufficient_quota", FINAL, "Your Cursor plan's limit is used up: {says}. See cursor.com/dashboard, or switch to another model."),
    Kind.MODEL: Row(404, "not_found_error", FINAL, "Cursor does not offer this model to you: {says}. Run `cursor-agent models`, then set CODEX_SHIM_CURSOR_MODEL to one of them."),
    Kind.RACE: Row(503, "server_error", "rate_limit_exceeded", "Another cursor-agent changed Cursor's settings at the same moment: try again in 2s."),
    Kind.CAPACITY: Row(429, "rate_limit_error", "rate_limit_exceeded", "Cursor has no room for this turn, or your plan's limit is near: try again in 20s. Cursor says: {says}."),
    Kind.PLAN: Row(403, "permission_error", FINAL, "Your Cursor plan does not have this model: {says}. Set CODEX_SHIM_CURSOR_MODEL=auto, or change the plan at cursor.com/dashboard."),
    Kind.OPTION: Row(502, "server_error", FINAL, "This cursor-agent is too old or too new for codex-shim: {says}. Run `cursor-agent update`."),
    Kind.NETWORK: Row(502, "server_error", FINAL, "cursor-agent could not reach Cursor: {says}. Check the network with `cursor-agent status`, then send the turn again."),
    Kind.OTHER: Row(502, "server_error", FINAL, "{says}. Run `cursor-agent -p hello` in a terminal to see whether Cursor itself works, then send the turn again."),
}  # fmt: skip

ACTED = " Cursor had begun to act: look at what it changed before you send the turn again."


def kind_of(text: str) -> Kind:
    """What a failure's words are about."""
    return next((kind for kind, pattern in PATTERNS if pattern.search(text)), Kind.OTHER)


def failure(text: str, happened: str) -> Problem:
    """Say what a failure means. `text` is what the child said, `happened` our own words when that says nothing."""
    text = said(text)
    kind = kind_of(text)
    row = ROWS[kind]
    says = _telling(text, kind)
    if kind is Kind.OTHER:
        says = f"{happened}, and said: {says}" if says else happened
    # "try again in 20s" of ours is what Codex waits for: a child's own words must not bring another number.
    return Problem(
        row.status, row.code, row.text.format(says=says or "it did not say why"), row.type
    )


def said(text: str) -> str:
    """What a child said in words: no events, no control characters, the last of it."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("{"))
    return "\n".join(filter(None, (printable(line) for line in lines)))


def acted(problem: Problem) -> Problem:
    """The same problem of a turn in which Cursor has begun to act: trying it again must be the user's decision."""
    return replace(problem, code=FINAL, message=problem.message + ACTED)


def _telling(text: str, kind: Kind) -> str:
    lines = text.splitlines()
    pattern = dict(PATTERNS).get(kind)
    if pattern:
        first = next((at for at, line in enumerate(lines) if pattern.search(line)), 0)
        lines = lines[first : first + SHOWN_LINES]
    else:
        lines = lines[-SHOWN_LINES:]
    joined = " ".join(lines).strip().rstrip(".")
    return joined if len(joined) <= SHOWN_CHARACTERS else f"{joined[:SHOWN_CHARACTERS]}…"


def own_key(source: str) -> Problem:
    """The first event says that the login is not what this turn would be billed to."""
    return Problem(
        500,
        FINAL,
        f"cursor-agent would have used {printable(source)[:60] or 'no known credential'} and not your login, so the "
        "turn was stopped before it cost anything. Remove stored API keys, then run `cursor-agent login`.",
    )


def no_answer() -> Problem:
    """The turn is over and nothing was said."""
    text = "cursor-agent ended the turn without an answer. Send the turn again."
    return Problem(502, FINAL, text, "server_error")


def ran_by_itself(words: str) -> Problem:
    """Cursor acted in a turn in which only Codex's tools may act."""
    return Problem(
        502,
        FINAL,
        f"Cursor acted by itself ({words}), although CODEX_SHIM_CURSOR_TOOLS=codex lets only Codex's tools act, so the "
        "turn was stopped. Look at what it changed; check Cursor's MCP servers and hooks, then send the turn again.",
        "server_error",
    )


def late(what: str, seconds: float, variable: str) -> Problem:
    """A limit of ours has passed. `what` says what did not happen within it."""
    text = f"cursor-agent was stopped: {what} within {seconds:g} s. Send the turn again, or raise {variable}."
    return Problem(504, FINAL, text, "timeout_error")


def no_start(binary: str, reason: str) -> Problem:
    """The child could not be started at all."""
    text = f"{binary} could not be started: {reason}. Run `codex-shim doctor`."
    return Problem(502, FINAL, text, "server_error")


def ended(code: int) -> str:
    """How a child ended that gave no result, for `failure`."""
    how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"cursor-agent {how} and gave no result"


def no_workspace(why: str) -> Problem:
    """There is no folder that a turn may be trusted with."""
    text = f"Cursor has no folder to work in: {why}. Set CODEX_SHIM_CURSOR_WORKSPACE to your project and start codex-shim again."
    return Problem(400, FINAL, text, "invalid_request_error")
