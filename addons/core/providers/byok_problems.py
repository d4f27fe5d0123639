"""What a user is told when a row of models.json cannot be asked, or has no answer to give: words only.

Never does: decide what is sent, quote an upstream's head. Invariant: each names provider, model and host where it
speaks of the upstream, and the field of models.json where that is at fault; no text holds a secret.
"""

from __future__ import annotations

from dataclasses import replace

from addons.core.errors import Problem, problem_of
from addons.core.keys import KeyProblem
from addons.core.target import Target
from addons.core.turn import Fault, Head


def fault_problem(target: Target, fault: Fault) -> Problem:
    """A fault on the way to this upstream."""
    problem = problem_of(fault)
    where = f"{target.slug} ({target.provider} {target.model})"
    return replace(problem, message=f"{where}: {problem.message}")


def key_problem(problem: KeyProblem) -> Problem:
    """No usable key. One that is on its way is worth another try, so Codex gets a code that it does not know."""
    if problem.passing:
        return Problem(503, "key_pending", problem.message, "authentication_error")
    return Problem(401, "invalid_prompt", problem.message, "authentication_error")


def redirect_problem(target: Target, head: Head) -> Problem:
    """A redirect: following it would carry the key to another place."""
    return Problem(
        502,
        "invalid_prompt",
        f"{target.provider} ({target.model} at {target.origin}) answered HTTP {head.status}, a redirect. codex-shim "
        f"never follows one with your key. Correct base_url of {target.slug} in models.json.",
        "upstream_redirect",
    )


def encoded_problem(target: Target) -> Problem:
    """A body that no reader can read."""
    return Problem(
        502,
        "invalid_prompt",
        f"{target.provider} ({target.model} at {target.origin}) compressed its answer, which was not asked for. "
        "Switch compression off there, or on the proxy before it.",
        "upstream_protocol",
    )


def bad_header_problem(target: Target, name: str) -> Problem:
    """A header of the row that must not be written to a wire."""
    return Problem(
        400,
        "invalid_prompt",
        f"codex-shim did not send this turn: the header {name} of {target.slug} has an odd name or holds a control "
        "character. Correct extra_headers in models.json.",
    )
