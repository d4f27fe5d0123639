"""The codes and statuses of refusals: each decides the kind alone."""

from __future__ import annotations

import pytest

from addons.core.upstream.error_codes import (
    DECISIVE_STATUSES,
    STATUS_KINDS,
    TRANSIENT,
    ErrorKind,
)
from addons.core.upstream.error_mapping import CLIENT_ERRORS, refusal_kind, upstream_problem
from tests.core.upstream.test_error_mapping import TARGET, openai

# kind → codes as the providers' documentation spells them
CODES: dict[ErrorKind, str] = {
    ErrorKind.AUTH: "invalid_api_key authentication_error UNAUTHENTICATED API_KEY_INVALID invalid_authentication_error",
    ErrorKind.PERMISSION: "permission_error PERMISSION_DENIED AccessDeniedException",
    ErrorKind.NOT_FOUND: "model_not_found DeploymentNotFound not_found_error NOT_FOUND ResourceNotFoundException",
    ErrorKind.CONTEXT: "context_length_exceeded 1261 exceed_context_size_error",
    ErrorKind.TOO_LARGE: "request_too_large",
    ErrorKind.RATE_LIMIT: "rate_limit_exceeded rate_limit_error RESOURCE_EXHAUSTED ThrottlingException rate_limit_reached_error "
    "rate_limited 1302 1303 Throttling.RateQuota Throttling.AllocationQuota",
    ErrorKind.QUOTA: "insufficient_quota insufficient_balance_error CreditsError 1310 1316 billing_hard_limit_reached usage_limit_reached usage_not_included billing_error "
    "ServiceQuotaExceededException exceeded_current_quota_error 1113 1308 Arrearage",
    ErrorKind.OVERLOADED: "server_is_overloaded slow_down overloaded_error UNAVAILABLE ServiceUnavailableException "
    "ModelNotReadyException engine_overloaded_error 1305 unavailable_error",
    ErrorKind.TIMEOUT: "timeout_error DEADLINE_EXCEEDED ModelTimeoutException",
    ErrorKind.SERVER: "server_error internal_server_error api_error INTERNAL InternalServerException ModelStreamErrorException",
    ErrorKind.CONTENT: "content_policy_violation content_filter ResponsibleAIPolicyViolation 1301 data_inspection_failed",
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "code"), [(kind, code) for kind, codes in CODES.items() for code in codes.split()]
)
@pytest.mark.parametrize("status", [None, 400])
def test_code_alone_decides_the_kind(kind: ErrorKind, code: str, status: int | None) -> None:
    row = CLIENT_ERRORS[kind]
    for error in ({"error": {"code": code}}, {"type": "error", "error": {"type": code}}):
        problem = upstream_problem(TARGET, status, error)
        assert (problem.status, problem.type, problem.code) == (row.status, row.type, row.code)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, ErrorKind.AUTH),
        (402, ErrorKind.QUOTA),
        (403, ErrorKind.PERMISSION),
        (404, ErrorKind.NOT_FOUND),
        (408, ErrorKind.TIMEOUT),
        (409, ErrorKind.TIMEOUT),
        (413, ErrorKind.TOO_LARGE),
        (429, ErrorKind.RATE_LIMIT),
        (503, ErrorKind.OVERLOADED),
        (504, ErrorKind.TIMEOUT),
        (529, ErrorKind.OVERLOADED),
    ],
)
def test_status_alone_decides_the_kind(status: int, kind: ErrorKind) -> None:
    row = CLIENT_ERRORS[kind]
    problem = upstream_problem(TARGET, status, b"")
    assert (problem.status, problem.type, problem.code) == (row.status, row.type, row.code)
    assert f"(HTTP {status})" in problem.message or kind is ErrorKind.AUTH


@pytest.mark.parametrize("status", sorted(DECISIVE_STATUSES))
def test_decisive_status_overrides_the_body(status: int) -> None:
    problem = upstream_problem(
        TARGET, status, openai("the model does not exist", "not_found_error")
    )
    row = CLIENT_ERRORS[STATUS_KINDS[status]]
    assert (problem.status, problem.code) == (row.status, row.code)


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        (ErrorKind.AUTH, "authentication_error"),
        (ErrorKind.PERMISSION, "permission_error"),
        (ErrorKind.NOT_FOUND, "not_found_error"),
        (ErrorKind.CONTEXT, "invalid_request_error"),
        (ErrorKind.TOO_LARGE, "invalid_request_error"),
        (ErrorKind.RATE_LIMIT, "rate_limit_error"),
        (ErrorKind.QUOTA, "insufficient_quota"),
        (ErrorKind.OVERLOADED, "overloaded_error"),
        (ErrorKind.TIMEOUT, "timeout_error"),
        (ErrorKind.SERVER, "server_error"),
        (ErrorKind.CONTENT, "content_policy_violation"),
        (ErrorKind.BAD_REQUEST, "invalid_request_error"),
    ],
)
def test_each_kind_has_the_error_type_of_its_sdk_exception(kind: ErrorKind, type_: str) -> None:
    assert CLIENT_ERRORS[kind].type == type_


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1002, ErrorKind.RATE_LIMIT),
        (1008, ErrorKind.QUOTA),
        (1026, ErrorKind.CONTENT),
        (1039, ErrorKind.RATE_LIMIT),
        (2049, ErrorKind.AUTH),
        (2056, ErrorKind.QUOTA),
    ],
)
def test_number_in_base_resp_decides_the_kind(code: int, kind: ErrorKind) -> None:
    body = {"base_resp": {"status_code": code, "status_msg": ""}}
    assert refusal_kind(None, body) is kind
    assert refusal_kind(400, {"error": {"code": code}}) is ErrorKind.BAD_REQUEST


def test_refusals_that_a_retry_cannot_change_are_not_transient() -> None:
    final = {ErrorKind.TEMPLATE, ErrorKind.QUOTA, ErrorKind.CONTEXT, ErrorKind.BAD_REQUEST}
    assert TRANSIENT.isdisjoint(final | {ErrorKind.AUTH, ErrorKind.OUTPUT_LIMIT})
