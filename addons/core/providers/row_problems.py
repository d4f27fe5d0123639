"""Error messages for turns of rows that cannot be sent or have no usable answer.

Never decides what is sent or quotes an upstream's head. Invariant: a message about the upstream names provider, model
and host; a message about models.json names the field; no message holds a secret.
"""

from __future__ import annotations

from dataclasses import replace

from addons.core.errors import INVALID_PROMPT, Problem, problem_of
from addons.core.turn import Fault, Head
from addons.core.upstream.api_keys import KeyProblem
from addons.core.upstream.target import Target


def fault_problem(target: Target, fault: Fault) -> Problem:
    """Return the problem for a fault on the way to this upstream."""
    problem = problem_of(fault)
    where = f"{target.slug} ({target.provider} {target.model})"
    return replace(problem, message=f"{where}: {problem.message}")


def key_problem(problem: KeyProblem) -> Problem:
    """Return the problem for a missing key. Codex retries an unknown code, so a key that is being fetched gets one."""
    if problem.is_pending:
        return Problem(503, "key_pending", problem.message, "authentication_error")
    return Problem(401, INVALID_PROMPT, problem.message, "authentication_error")


def redirect_problem(target: Target, head: Head) -> Problem:
    """Return the problem for a redirect. Following it would send the key to another server."""
    return Problem(
        502,
        INVALID_PROMPT,
        f"{target.provider} ({target.model} at {target.origin}) answered HTTP {head.status}, a redirect. codex-shim "
        f"never follows one with your key. Correct base_url of {target.slug} in models.json.",
        "upstream_redirect",
    )


def empty_problem(who: str, head: Head) -> Problem:
    """Return the problem for an answer without a body. `who` is the upstream."""
    return Problem(
        502,
        "stream_interrupted",
        f"{who} answered HTTP {head.status} without a body, so there is no answer. Send the turn again.",
    )


def encoded_problem(target: Target) -> Problem:
    """Return the problem for a compressed answer, which no reader can read."""
    return Problem(
        502,
        INVALID_PROMPT,
        f"{target.provider} ({target.model} at {target.origin}) compressed its answer, although the request forbids it. "
        "Turn compression off there, or at the proxy in front of it.",
        "upstream_protocol",
    )


def bad_header_problem(target: Target, name: str) -> Problem:
    """Return the problem for a header of the row that cannot be sent."""
    return Problem(
        400,
        INVALID_PROMPT,
        f"codex-shim did not send this turn: the header {name} of {target.slug} has an invalid name or holds a "
        "control character. Correct extra_headers in models.json.",
    )


def row_field_problem(problem: Problem, target: Target, field: str) -> Problem:
    """Return the problem with the field of the row that asks for what the upstream refused."""
    advice = (
        f" The row of {target.slug} asks for this by name: change or remove {field} in models.json."
    )
    return replace(problem, message=f"{problem.message}{advice}")
