"""The codes with which upstreams refuse requests, as data for `addons.core.upstream.error_mapping`.

Sources: the error pages of the OpenAI, Anthropic, Gemini, Bedrock, Azure, DeepSeek, Moonshot, Z.ai, DashScope, MiniMax,
Mistral, Groq, xAI and OpenRouter APIs, and what vLLM, llama.cpp and LiteLLM answer. Invariant: a code is here only if it
means the same for every upstream that uses it.
"""

from __future__ import annotations

from enum import StrEnum


class ErrorKind(StrEnum):
    """The subject of a refusal."""

    AUTH = "auth"
    PERMISSION = "permission"
    NOT_FOUND = "not_found"
    CONTEXT = "context"
    OUTPUT_LIMIT = "output_limit"
    """More output tokens were requested than the model gives. A shorter conversation does not help."""
    TOO_LARGE = "too_large"
    RATE_LIMIT = "rate_limit"
    QUOTA = "quota"
    OVERLOADED = "overloaded"
    TIMEOUT = "timeout"
    SERVER = "server"
    CONTENT = "content"
    MEMORY = "memory"
    """The server has too little memory for the model: the same request gets the same answer."""
    TEMPLATE = "template"
    """The chat template of the model refused the conversation: the same request gets the same answer."""
    BAD_REQUEST = "bad_request"


TRANSIENT = frozenset(
    {ErrorKind.RATE_LIMIT, ErrorKind.OVERLOADED, ErrorKind.TIMEOUT, ErrorKind.SERVER}
)
"""Kinds at which the same request may succeed later."""

# status → kind, where the body is not more specific
STATUS_KINDS: dict[int, ErrorKind] = {
    401: ErrorKind.AUTH,
    402: ErrorKind.QUOTA,  # DeepSeek, OpenRouter: balance or credits used up
    403: ErrorKind.PERMISSION,
    404: ErrorKind.NOT_FOUND,
    408: ErrorKind.TIMEOUT,
    409: ErrorKind.TIMEOUT,  # SDKs of OpenAI and Anthropic: a lock timed out, so they retry
    413: ErrorKind.TOO_LARGE,
    424: ErrorKind.SERVER,  # Bedrock: the model failed, "Try your request again"
    425: ErrorKind.TIMEOUT,
    429: ErrorKind.RATE_LIMIT,
    499: ErrorKind.TIMEOUT,  # Gemini: CANCELLED
    503: ErrorKind.OVERLOADED,
    504: ErrorKind.TIMEOUT,
    529: ErrorKind.OVERLOADED,  # Anthropic
}

# For these statuses, most of the body is ignored: it is less reliable than the status.
DECISIVE_STATUSES = frozenset({401, 402, 429})

INNER_STATUSES = frozenset({400, 402, 404, 413, 422, 429})
"""Statuses inside a body that count more than a 5xx of the gateway around it."""

_BY_KIND: dict[ErrorKind, str] = {
    ErrorKind.AUTH: "invalid_api_key authentication_error UNAUTHENTICATED API_KEY_INVALID invalid_authentication_error "
    "invalid_iam_token base_resp1004 base_resp2049",
    ErrorKind.PERMISSION: "permission_error PERMISSION_DENIED AccessDeniedException access_terminated_error",
    ErrorKind.NOT_FOUND: "model_not_found DeploymentNotFound not_found_error NOT_FOUND ResourceNotFoundException model_not_exist",
    ErrorKind.CONTEXT: "context_length_exceeded context_window_exceeded ContextWindowExceededError exceed_context_size_error "
    "model_max_prompt_tokens_exceeded context_limit_exceeded max_context_length_exceeded "
    "1261",  # Z.ai
    ErrorKind.TOO_LARGE: "request_too_large payload_too_large tokens_limit_reached",
    ErrorKind.RATE_LIMIT: "rate_limit_exceeded rate_limit_error RESOURCE_EXHAUSTED ThrottlingException TooManyRequestsException "
    "rate_limit_reached_error rate_limited RateLimitReached too_many_requests "
    "1302 1303 "  # Z.ai
    "Throttling Throttling.RateQuota Throttling.AllocationQuota Throttling.BurstRate "  # DashScope
    "base_resp1002 base_resp1039",  # MiniMax
    ErrorKind.QUOTA: "insufficient_quota billing_hard_limit_reached billing_not_active usage_limit_reached usage_not_included "
    "billing_error ServiceQuotaExceededException exceeded_current_quota_error insufficient_balance insufficient_balance_error "
    "insufficient_credits insufficient_funds CreditsError budget_exceeded quota_exceeded "
    "1113 1308 1310 1316 1317 1318 1319 1320 1321 "  # Z.ai
    "Arrearage AllocationQuota.FreeTierOnly "  # DashScope
    "base_resp1008 base_resp2056",  # MiniMax
    ErrorKind.OVERLOADED: "server_is_overloaded slow_down overloaded_error UNAVAILABLE ServiceUnavailableException "
    "ModelNotReadyException engine_overloaded_error unavailable_error over_capacity "
    "1305",  # Z.ai
    ErrorKind.TIMEOUT: "timeout_error DEADLINE_EXCEEDED ModelTimeoutException base_resp1001",
    ErrorKind.SERVER: "server_error internal_server_error api_error INTERNAL InternalServerException ModelStreamErrorException "
    "base_resp1000 base_resp1013",
    ErrorKind.CONTENT: "content_policy_violation content_filter ResponsibleAIPolicyViolation data_inspection_failed "
    "1301 "  # Z.ai
    "base_resp1026 base_resp1027",  # MiniMax
}


def plain_code(code: str) -> str:
    """Return a code in lower case without punctuation."""
    return "".join(
        character for character in code.lower() if character.isascii() and character.isalnum()
    )


CODE_KINDS: dict[str, ErrorKind] = {
    plain_code(code): kind for kind, codes in _BY_KIND.items() for code in codes.split()
}
"""`type`, `code` or `status` of an error object, as `plain_code` writes it → kind."""

FINAL_QUOTAS = frozenset(
    plain_code(code)
    for code in _BY_KIND[ErrorKind.QUOTA].split()
    if code not in {"usage_limit_reached", "quota_exceeded", "ServiceQuotaExceededException"}
)
"""Codes of quotas that do not come back within minutes, even if a wait is given."""

GENERAL_CODES = frozenset({"apierror", "servererror", "internal", "internalservererror"})
"""Codes that gateways put around any refusal."""
