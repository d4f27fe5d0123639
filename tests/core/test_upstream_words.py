"""The words by which providers name a kind of refusal: each alone decides, without a status or a message to help."""

from __future__ import annotations

import pytest

from addons.core.upstream_errors import ROWS, upstream_problem
from addons.core.upstream_words import CERTAIN, STATUSES, Kind
from tests.core.test_upstream_errors import TARGET, openai

# as each provider's documentation spells it → what it is about
CODES: dict[Kind, str] = {
    Kind.AUTH: "invalid_api_key authentication_error UNAUTHENTICATED API_KEY_INVALID invalid_authentication_error",
    Kind.PERMISSION: "permission_error PERMISSION_DENIED AccessDeniedException",
    Kind.NOT_FOUND: "model_not_found DeploymentNotFound not_found_error NOT_FOUND ResourceNotFoundException",
    Kind.CONTEXT: "context_length_exceeded 1261 exceed_context_size_error",
    Kind.TOO_LARGE: "request_too_large",
    Kind.RATE_LIMIT: "rate_limit_exceeded rate_limit_error RESOURCE_EXHAUSTED ThrottlingException rate_limit_reached_error "
    "rate_limited 1302 1303 Throttling.RateQuota Throttling.AllocationQuota",
    Kind.QUOTA: "insufficient_quota billing_hard_limit_reached usage_limit_reached usage_not_included billing_error "
    "ServiceQuotaExceededException exceeded_current_quota_error 1113 1308 Arrearage",
    Kind.OVERLOADED: "server_is_overloaded slow_down overloaded_error UNAVAILABLE ServiceUnavailableException "
    "ModelNotReadyException engine_overloaded_error 1305 unavailable_error",
    Kind.TIMEOUT: "timeout_error DEADLINE_EXCEEDED ModelTimeoutException",
    Kind.SERVER: "server_error internal_server_error api_error INTERNAL InternalServerException ModelStreamErrorException",
    Kind.CONTENT: "content_policy_violation content_filter ResponsibleAIPolicyViolation 1301 data_inspection_failed",
}  # fmt: skip
MESSAGES: dict[Kind, tuple[str, ...]] = {
    Kind.CONTEXT: (
        "Please reduce the length of the messages or completion.", "Please reduce the length of the prompt",
        "trying to keep the first 9 tokens when context overflows: context overflow", "the context the overflows",
        "input length exceeds maximum context length", "longer than the maximum model length of 8192",
        "longer than the model's context length", "context window exceeds limit (2013)",
        "prompt token count of 140000 exceeds the limit of 128000",
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096",
    ),
    Kind.QUOTA: (
        "Insufficient account balance", "Insufficient credits. Add more", "You exceeded your current quota",
        "Usage limit reached for 5 hour.", "This request requires more credits",
    ),
    Kind.CONTENT: ("Your chosen model requires moderation and your input was flagged", "the prompt was flagged"),
    Kind.AUTH: ("API key expired. Please renew the API key.", "Invalid API key"),
    Kind.NOT_FOUND: (
        "gpt-9 is not a valid model ID", 'model "x" not found', "The model `x` does not exist", "Unknown Model, please check",
    ),
    Kind.OVERLOADED: (
        "We are at capacity", "Service tier capacity exceeded for this model", "This model is currently experiencing high demand",
    ),
    Kind.RATE_LIMIT: ("You hit the rate limit", "rate-limit", "Too Many Requests"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "code"), [(kind, code) for kind, codes in CODES.items() for code in codes.split()]
)
@pytest.mark.parametrize("status", [None, 400])
def test_a_code_alone_tells_the_kind(kind: Kind, code: str, status: int | None) -> None:
    row = ROWS[kind]
    for error in ({"error": {"code": code}}, {"type": "error", "error": {"type": code}}):
        problem = upstream_problem(TARGET, status, error)
        assert (problem.status, problem.type, problem.code) == (row.status, row.type, row.code)


@pytest.mark.parametrize(
    ("kind", "message"), [(kind, one) for kind, several in MESSAGES.items() for one in several]
)
@pytest.mark.parametrize("change", [str, str.upper])
def test_a_message_alone_tells_the_kind(kind: Kind, message: str, change: type[str]) -> None:
    row = ROWS[kind]
    problem = upstream_problem(TARGET, 400, openai(change(message)))
    assert (problem.status, problem.type, problem.code) == (row.status, row.type, row.code)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, Kind.AUTH),
        (402, Kind.QUOTA),
        (403, Kind.PERMISSION),
        (404, Kind.NOT_FOUND),
        (408, Kind.TIMEOUT),
        (409, Kind.TIMEOUT),
        (413, Kind.TOO_LARGE),
        (429, Kind.RATE_LIMIT),
        (503, Kind.OVERLOADED),
        (504, Kind.TIMEOUT),
        (529, Kind.OVERLOADED),
    ],
)
def test_a_status_alone_tells_the_kind(status: int, kind: Kind) -> None:
    row = ROWS[kind]
    problem = upstream_problem(TARGET, status, b"")
    assert (problem.status, problem.type, problem.code) == (row.status, row.type, row.code)
    assert f"(HTTP {status})" in problem.message or kind is Kind.AUTH


@pytest.mark.parametrize("status", sorted(CERTAIN))
def test_a_certain_status_is_not_talked_over(status: int) -> None:
    problem = upstream_problem(
        TARGET, status, openai("the model does not exist", "not_found_error")
    )
    row = ROWS[STATUSES[status]]
    assert (problem.status, problem.code) == (row.status, row.code)


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        (Kind.AUTH, "authentication_error"),
        (Kind.PERMISSION, "permission_error"),
        (Kind.NOT_FOUND, "not_found_error"),
        (Kind.CONTEXT, "invalid_request_error"),
        (Kind.TOO_LARGE, "invalid_request_error"),
        (Kind.RATE_LIMIT, "rate_limit_error"),
        (Kind.QUOTA, "insufficient_quota"),
        (Kind.OVERLOADED, "overloaded_error"),
        (Kind.TIMEOUT, "timeout_error"),
        (Kind.SERVER, "server_error"),
        (Kind.CONTENT, "content_policy_violation"),
        (Kind.BAD_REQUEST, "invalid_request_error"),
    ],
)
def test_sdks_find_the_type_that_they_have_exceptions_for(kind: Kind, type_: str) -> None:
    assert ROWS[kind].type == type_
