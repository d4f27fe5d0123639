"""Error messages of rows: each names what failed and what to correct, and quotes nothing of the upstream."""

from __future__ import annotations

import pytest

from addons.core.providers.row_problems import (
    bad_header_problem,
    encoded_problem,
    fault_problem,
    key_problem,
    redirect_problem,
)
from addons.core.turn import Fault, FaultKind, Head
from addons.core.upstream.api_keys import KeyProblem
from tests.core.providers.rows import ORIGIN, TARGET

UPSTREAM = f"{TARGET.provider} ({TARGET.model} at {ORIGIN})"


@pytest.mark.parametrize(
    ("is_pending", "status", "code"),
    [(False, 401, "invalid_prompt"), (True, 503, "key_pending")],
)
def test_missing_key_stops_codex_unless_it_is_pending(
    is_pending: bool, status: int, code: str
) -> None:
    problem = key_problem(KeyProblem("row has no key.", is_pending=is_pending))
    assert (problem.status, problem.code, problem.message) == (status, code, "row has no key.")
    assert problem.type == "authentication_error"


@pytest.mark.parametrize("kind", FaultKind)
def test_fault_names_row_provider_and_model(kind: FaultKind) -> None:
    problem = fault_problem(TARGET, Fault(kind, "detail", ORIGIN))
    assert problem.message.startswith("row (example big-model): ")
    assert problem.status >= 500


def test_redirect_names_upstream_and_field_and_never_its_target() -> None:
    head = Head(307, ((b"location", b"https://evil.example/steal"),))
    problem = redirect_problem(TARGET, head)
    assert problem.message.startswith(f"{UPSTREAM} answered HTTP 307, a redirect.")
    assert "Correct base_url of row in models.json." in problem.message
    assert "evil" not in problem.message
    assert (problem.status, problem.code, problem.type) == (
        502,
        "invalid_prompt",
        "upstream_redirect",
    )


def test_compressed_answer_names_the_upstream() -> None:
    problem = encoded_problem(TARGET)
    assert problem.message.startswith(f"{UPSTREAM} compressed its answer")
    assert (problem.status, problem.code, problem.type) == (
        502,
        "invalid_prompt",
        "upstream_protocol",
    )


def test_invalid_header_names_row_and_field() -> None:
    problem = bad_header_problem(TARGET, "x-odd")
    assert "the header x-odd of row has an invalid name" in problem.message
    assert "Correct extra_headers in models.json." in problem.message
    assert (problem.status, problem.code) == (400, "invalid_prompt")
