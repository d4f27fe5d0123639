"""The messages of refusals: each decides the kind alone, in the words of many servers."""

from __future__ import annotations

import pytest

from addons.core.upstream.error_codes import ErrorKind
from addons.core.upstream.error_mapping import CLIENT_ERRORS, refusal_kind, upstream_problem
from tests.core.upstream.error_texts import (
    CONTEXT_TEXTS,
    OUTPUT_TEXTS,
    PASSING,
    QUOTAS,
    TEMPLATE_TEXTS,
)
from tests.core.upstream.test_error_mapping import TARGET, openai

MESSAGES: dict[ErrorKind, tuple[str, ...]] = {
    ErrorKind.CONTEXT: (
        "Please reduce the length of the messages or completion.", "Please reduce the length of the prompt",
        "trying to keep the first 9 tokens when context overflows: context overflow", "the context the overflows",
        "input length exceeds maximum context length", "longer than the maximum model length of 8192",
        "longer than the model's context length", "context window exceeds limit (2013)",
        "prompt token count of 140000 exceeds the limit of 128000",
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096",
    ),
    ErrorKind.QUOTA: (
        "Insufficient account balance", "Insufficient credits. Add more", "You exceeded your current quota",
        "Usage limit reached for 5 hour.", "This request requires more credits",
    ),
    ErrorKind.CONTENT: ("Your chosen model requires moderation and your input was flagged", "the prompt was flagged"),
    ErrorKind.AUTH: ("API key expired. Please renew the API key.", "Invalid API key"),
    ErrorKind.NOT_FOUND: (
        "gpt-9 is not a valid model ID", 'model "x" not found', "The model `x` does not exist", "Unknown Model, please check",
    ),
    ErrorKind.OVERLOADED: (
        "We are at capacity", "Service tier capacity exceeded for this model", "This model is currently experiencing high demand",
    ),
    ErrorKind.RATE_LIMIT: ("You hit the rate limit", "rate-limit", "Too Many Requests"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "message"), [(kind, one) for kind, several in MESSAGES.items() for one in several]
)
@pytest.mark.parametrize("change", [str, str.upper])
def test_message_alone_decides_the_kind(kind: ErrorKind, message: str, change: type[str]) -> None:
    row = CLIENT_ERRORS[kind]
    problem = upstream_problem(TARGET, 400, openai(change(message)))
    assert (problem.status, problem.type, problem.code) == (row.status, row.type, row.code)


@pytest.mark.parametrize("server", CONTEXT_TEXTS)
def test_context_overflow_is_recognised_for_each_server(server: str) -> None:
    status, text, _ = CONTEXT_TEXTS[server]
    raw = {"error": {"message": "Provider returned error", "metadata": {"raw": text}}}
    for body in (openai(text), text, {"detail": text}, raw):
        problem = upstream_problem(TARGET, status, body)
        assert problem.code == "context_length_exceeded"
        assert text[:40] in problem.message


def test_refusals_of_at_least_25_servers_are_known() -> None:
    servers = {name.split(",")[0].split()[0] for name in CONTEXT_TEXTS}
    assert len(servers) >= 25


@pytest.mark.parametrize("server", OUTPUT_TEXTS)
def test_output_that_is_too_long_is_no_context_overflow(server: str) -> None:
    status, text = OUTPUT_TEXTS[server]
    assert refusal_kind(status, openai(text)) is ErrorKind.OUTPUT_LIMIT
    assert "max_output_tokens" in upstream_problem(TARGET, status, openai(text)).message


@pytest.mark.parametrize("server", TEMPLATE_TEXTS)
def test_template_error_is_final_with_any_status(server: str) -> None:
    status, text = TEMPLATE_TEXTS[server]
    for body in (openai(text), {"error": text}, text):
        assert refusal_kind(status, body) is ErrorKind.TEMPLATE
    assert upstream_problem(TARGET, status, openai(text)).code == "invalid_prompt"


@pytest.mark.parametrize("now", [None, 1_780_000_000.0, 1_796_000_000.0])
@pytest.mark.parametrize("server", QUOTAS)
def test_quota_that_is_used_up_is_not_retried(server: str, now: float | None) -> None:
    status, body = QUOTAS[server]
    assert refusal_kind(status, body, None, now) is ErrorKind.QUOTA


@pytest.mark.parametrize("server", PASSING)
def test_limit_that_passes_is_retried(server: str) -> None:
    status, body = PASSING[server]
    assert refusal_kind(status, body) is ErrorKind.RATE_LIMIT


@pytest.mark.parametrize(
    "text",
    [
        "Invalid 'input[3].call_id': string too long. Expected a string with maximum length 64",
        "Invalid 'prompt_cache_key': string too long. Expected a string with maximum length 64",
        "messages.4.content.0.image: image exceeds 5 MB maximum: 6291456 bytes > 5242880 bytes",
        "tools.0.custom.name: String should have at most 64 characters",
        "Invalid schema for function 'x': maximum nesting depth exceeded",
        "temperature: must be less than or equal to 2",
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    ],
)
def test_other_limits_are_bad_requests(text: str) -> None:
    assert refusal_kind(400, openai(text)) is ErrorKind.BAD_REQUEST


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (400, "Number of input images exceeds the model's limit of 5", ErrorKind.BAD_REQUEST),
        (400, "input schema depth exceeds the model's limit", ErrorKind.BAD_REQUEST),
        (
            400,
            "Your request used 12000 tokens of your limit of 30000 tokens per minute",
            ErrorKind.BAD_REQUEST,
        ),
        (400, "model glm-5: parameter 'tool_choice' is not supported", ErrorKind.BAD_REQUEST),
        (
            400,
            "Unsupported parameter for model gpt-5: 'temperature' is not supported",
            ErrorKind.BAD_REQUEST,
        ),
        (400, "For model llama-3 image input is not supported", ErrorKind.BAD_REQUEST),
        (400, "The tool requires more memory tokens", ErrorKind.BAD_REQUEST),
        (401, "Authentication failed: the model provider key was not found", ErrorKind.AUTH),
        (401, "Invalid token: no access to model gpt-5, user not found", ErrorKind.AUTH),
        (401, "The API key for model gpt-5 was not found", ErrorKind.AUTH),
        (500, "input 12000 tokens processed in 3 s, concurrency limit reached", ErrorKind.SERVER),
        (500, "The request for 50000 tokens was over your daily limit", ErrorKind.SERVER),
        (500, "insufficient system resources, try again later", ErrorKind.SERVER),
    ],
)
def test_text_that_nearly_fits_another_pattern(status: int, text: str, kind: ErrorKind) -> None:
    """A refused field or another limit is no overflow, which Codex compacts for; a refused key no unknown model; an error may pass."""
    assert refusal_kind(status, openai(text)) is kind


@pytest.mark.parametrize("name", ["kimi-k9", "`qwen3:8b`", "vendor/model-1"])
def test_model_that_is_not_supported_is_unknown_with_any_status(name: str) -> None:
    for status in (400, 401, 500, None):
        text = f"Model {name} is not supported"
        assert refusal_kind(status, openai(text)) is ErrorKind.NOT_FOUND
