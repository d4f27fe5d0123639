"""Maps the output of a failed cursor-agent to one `Problem` that names the command to type.

Source: messages of cursor-agent as users reported them, 2025 to 2026; none of them is documented. Never quotes an event
that a child mirrors to stderr, because an event may hold the conversation. Invariant: total; a turn in which Cursor has
begun to act is never one that Codex retries by itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from addons.core.errors import INVALID_PROMPT, Problem
from addons.core.upstream.error_mapping import quotable

SHOWN_CHARACTERS = 300
SHOWN_LINES = 3


class FailureKind(StrEnum):
    """The cause of a failure."""

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
class ProblemTemplate:
    """The problem to report for one kind of failure. `{detail}` is the output that matched."""

    status: int
    type: str
    code: str
    text: str


# The first match wins: patterns that are more certain, or more specific, come first.
PATTERNS: tuple[tuple[FailureKind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE | re.MULTILINE))
    for kind, pattern in (
        (FailureKind.KEY, r"api key is invalid|loaded from the CURSOR_API_KEY"),
        (FailureKind.AUTH, r"authentication required|\[unauthenticated\]|\bnot logged in\b|run '?(?:cursor-)?agent login"),
        (FailureKind.TRUST, r"workspace trust required|pass --trust"),
        (FailureKind.QUOTA, r"usage limit|spendLimitHit|spend limit|ActionRequiredError"),
        (FailureKind.MODEL, r"cannot use this model"),
        (FailureKind.RACE, r"(?:ENOENT|EPERM)\b.*\brename\b.*cli-config\.json"),
        (FailureKind.CAPACITY, r"\[resource_exhausted\]"),
        (FailureKind.PLAN, r"\bfree plan\b|named models? (?:is|are) (?:un|not )available|^\w{1,2}: (?!\[)\S"),
        (FailureKind.OPTION, r"unknown (?:option|argument)|option .{1,80} argument .{1,80} is invalid"),
        (FailureKind.NETWORK, r"\[(?:unavailable|deadline_exceeded)\]|ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|fetch failed|RetriableError"),
    )
)  # fmt: skip

TEMPLATES: dict[FailureKind, ProblemTemplate] = {
    FailureKind.KEY: ProblemTemplate(500, "codex_shim_error", INVALID_PROMPT, "cursor-agent used an API key although codex-shim passes none, so the turn was stopped: {detail}. Look for a key in ~/.cursor, then run `cursor-agent login`."),
    FailureKind.AUTH: ProblemTemplate(401, "authentication_error", INVALID_PROMPT, "Cursor is logged out here. Run `cursor-agent login`, then send the turn again."),
    FailureKind.TRUST: ProblemTemplate(403, "permission_error", INVALID_PROMPT, "cursor-agent does not trust the folder of this turn, although --trust was passed: {detail}. Run `cursor-agent` once in that folder, or set CODEX_SHIM_CURSOR_WORKSPACE to another folder."),
    FailureKind.QUOTA: ProblemTemplate(429, "insufficient_quota", INVALID_PROMPT, "Your Cursor plan's limit is used up: {detail}. See cursor.com/dashboard, or switch to another model."),
    FailureKind.MODEL: ProblemTemplate(404, "not_found_error", INVALID_PROMPT, "Cursor does not offer this model to your account: {detail}. Run `cursor-agent models`, then set CODEX_SHIM_CURSOR_MODEL to one of them."),
    FailureKind.RACE: ProblemTemplate(503, "server_error", "rate_limit_exceeded", "Another cursor-agent changed Cursor's settings at the same moment: try again in 2s."),
    FailureKind.CAPACITY: ProblemTemplate(429, "rate_limit_error", "rate_limit_exceeded", "Cursor has no capacity for this turn, or your plan's limit is near: try again in 20s. Cursor reported: {detail}."),
    FailureKind.PLAN: ProblemTemplate(403, "permission_error", INVALID_PROMPT, "Your Cursor plan does not have this model: {detail}. Set CODEX_SHIM_CURSOR_MODEL=auto, or change the plan at cursor.com/dashboard."),
    FailureKind.OPTION: ProblemTemplate(502, "server_error", INVALID_PROMPT, "This cursor-agent is too old or too new for codex-shim: {detail}. Run `cursor-agent update`."),
    FailureKind.NETWORK: ProblemTemplate(502, "server_error", "upstream_unreachable", "cursor-agent could not reach Cursor: {detail}. Check the network with `cursor-agent status`, then send the turn again."),
    FailureKind.OTHER: ProblemTemplate(502, "server_error", INVALID_PROMPT, "{detail}. Run `cursor-agent -p hello` in a terminal to see whether Cursor itself works, then send the turn again."),
}  # fmt: skip

_ERROR_AS_ANSWER = re.compile(
    r"Error: (?:Retriable|NonRetriable|Connect|ActionRequired|Aborted|Network|RateLimit|Unauthenticated)Error: \S.{0,400}"
)
AFTER_ACTION = " Cursor had begun to act: check what it changed before you send the turn again."


def classify(text: str) -> FailureKind:
    """Return the cause of a failure from the text that the child printed."""
    return next((kind for kind, pattern in PATTERNS if pattern.search(text)), FailureKind.OTHER)


def is_error_as_answer(text: str) -> bool:
    """Return whether the whole text of an answer is an error of Cursor itself, which it may report as a success."""
    return _ERROR_AS_ANSWER.fullmatch(text.strip()) is not None


def failure(text: str, happened: str) -> Problem:
    """Return the problem for a failure. `text` is the child's output; `happened` describes an unclassified failure."""
    text = plain_output(text)
    kind = classify(text)
    template = TEMPLATES[kind]
    detail = _detail(text, kind)
    if kind is FailureKind.OTHER:
        detail = f"{happened} and printed: {detail}" if detail else happened
    # Codex waits as long as "try again in 20s" says, so the output, which may name another number, comes after it.
    message = template.text.format(detail=detail or "no reason given")
    return Problem(template.status, template.code, message, template.type)


def plain_output(text: str) -> str:
    """Return the child's output without events and control characters."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("{"))
    return "\n".join(filter(None, (quotable(line) for line in lines)))


def after_action(problem: Problem) -> Problem:
    """Return the problem for a turn in which Cursor has begun to act: only the user may decide to retry it."""
    return replace(problem, code=INVALID_PROMPT, message=problem.message + AFTER_ACTION)


def _detail(text: str, kind: FailureKind) -> str:
    lines = text.splitlines()
    pattern = dict(PATTERNS).get(kind)
    if pattern:
        first = next((at for at, line in enumerate(lines) if pattern.search(line)), 0)
        lines = lines[first : first + SHOWN_LINES]
    else:
        lines = lines[-SHOWN_LINES:]
    joined = " ".join(lines).strip().rstrip(".")
    return joined if len(joined) <= SHOWN_CHARACTERS else f"{joined[:SHOWN_CHARACTERS]}…"


def foreign_credential(source: str) -> Problem:
    """Return the problem of a turn that another credential than the login would pay for."""
    return Problem(
        500,
        INVALID_PROMPT,
        f"cursor-agent would have used {quotable(source)[:60] or 'no known credential'}, not your login, so the "
        "turn was stopped before it cost anything. Remove stored API keys, then run `cursor-agent login`.",
    )


def no_answer() -> Problem:
    """Return the problem of a turn that ended without any text."""
    text = "cursor-agent ended the turn without an answer. Send the turn again."
    return Problem(502, INVALID_PROMPT, text, "server_error")


def unexpected_action(summary: str) -> Problem:
    """Return the problem of a turn in which Cursor acted although only Codex's tools may act."""
    return Problem(
        502,
        INVALID_PROMPT,
        f"Cursor acted by itself ({summary}), although CODEX_SHIM_CURSOR_TOOLS=codex lets only Codex's tools act, so the "
        "turn was stopped. Check what it changed, and check Cursor's MCP servers and hooks, then send the turn again.",
        "server_error",
    )


def timeout_problem(what: str, seconds: float, variable: str) -> Problem:
    """Return the problem of a passed time limit. `what` says what did not happen within it."""
    text = f"cursor-agent was stopped: {what} within {seconds:g} s. Send the turn again, or raise {variable}."
    return Problem(504, INVALID_PROMPT, text, "timeout_error")


def start_failure(binary: str, reason: str) -> Problem:
    """Return the problem of a child that could not be started."""
    text = f"{binary} could not be started: {reason}. Run `codex-shim doctor`."
    return Problem(502, INVALID_PROMPT, text, "server_error")


def describe_exit(code: int) -> str:
    """Return a sentence about a child that ended without a result, for `failure`."""
    how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"cursor-agent {how} and gave no result"


def no_workspace(why: str) -> Problem:
    """Return the problem of a turn for which no folder can be trusted."""
    text = f"Cursor has no folder to work in: {why}. Set CODEX_SHIM_CURSOR_WORKSPACE to your project and start codex-shim again."
    return Problem(400, INVALID_PROMPT, text, "invalid_request_error")
