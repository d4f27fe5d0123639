"""Refusals of each provider, and the errors that Codex and SDKs get."""

import re

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.errors import Problem
from addons.core.secrets import Origin
from addons.core.upstream.error_mapping import (
    MAX_QUOTED_BYTES,
    quotable,
    upstream_problem,
)
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target
from tests.core.upstream.error_texts import QUOTAS

TARGET = Target(
    slug="my-deepseek",
    display_name="DeepSeek",
    provider="deepseek",
    model="deepseek-chat",
    protocol=Protocol.CHAT,
    origin=Origin.of("https://api.deepseek.com"),
    path="/v1/chat/completions",
)
CODEX_WAIT = re.compile(r"try again in (\d+(?:\.\d+)?)(s|ms| seconds?)")
"""The pattern that Codex 0.169 reads the wait from."""

CONTEXT, FINAL = "context_length_exceeded", "invalid_prompt"
QUOTA, RATE = "insufficient_quota", "rate_limit_exceeded"


def openai(message: str, code: str | None = None, kind: str = "invalid_request_error") -> object:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def anthropic(kind: str, message: str) -> object:
    return {"type": "error", "error": {"type": kind, "message": message}}


def google(code: int, status: str, message: str, details: object = None) -> object:
    error = {"code": code, "message": message, "status": status, "details": details or []}
    return [{"error": error}]


REFUSALS: dict[str, tuple[int | None, object, int, str]] = {
    "OpenAI wrong key": (401, openai("Incorrect API key provided", "invalid_api_key"), 401, FINAL),
    "OpenAI no model": (404, openai("The model `x` does not exist", "model_not_found"), 404, FINAL),
    "OpenAI context": (400, openai("This model's maximum context length is 8192 tokens", CONTEXT), 400, CONTEXT),
    "OpenAI Responses context": (400, openai("Your input exceeds the context window of this model"), 400, CONTEXT),
    "OpenAI rate": (429, openai("Rate limit reached", RATE, "requests"), 429, RATE),
    "OpenAI quota": (429, openai("You exceeded your current quota", QUOTA, QUOTA), 429, QUOTA),
    "ChatGPT plan": (429, openai("You've hit your usage limit", None, "usage_limit_reached"), 429, QUOTA),
    "OpenAI server": (500, openai("The server had an error", None, "server_error"), 500, "server_error"),
    "Azure filter": (400, openai("triggering Azure OpenAI's content management policy", "content_filter"), 400, FINAL),
    "Azure deployment": (404, openai("The API deployment for this resource does not exist", "DeploymentNotFound"), 404, FINAL),
    "Anthropic context": (400, anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"), 400, CONTEXT),
    "Anthropic limits": (400, anthropic("invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 3"), 400, CONTEXT),
    "Anthropic balance": (400, anthropic("invalid_request_error", "Your credit balance is too low"), 429, QUOTA),
    "Anthropic other 400": (400, anthropic("invalid_request_error", "messages: at least one message is required"), 400, FINAL),
    "Anthropic key": (401, anthropic("authentication_error", "invalid x-api-key"), 401, FINAL),
    "Anthropic permission": (403, anthropic("permission_error", "no"), 403, FINAL),
    "Anthropic size": (413, anthropic("request_too_large", "Request exceeds the maximum size"), 413, CONTEXT),
    "Anthropic overloaded": (529, anthropic("overloaded_error", "Overloaded"), 503, RATE),
    "Anthropic in stream": (None, anthropic("overloaded_error", "Overloaded"), 503, RATE),
    "Anthropic api in stream": (None, anthropic("api_error", "Internal server error"), 502, "server_error"),
    "Anthropic api and busy": (529, anthropic("api_error", "Please wait"), 503, RATE),
    "Gemini key": (400, google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."), 401, FINAL),
    "Gemini context": (400, google(400, "INVALID_ARGUMENT", "The input token count (2) exceeds the maximum number of tokens allowed (1)."), 400, CONTEXT),
    "Gemini per minute": (429, google(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota", [{"retryDelay": "27s"}]), 429, RATE),
    "Gemini per day": (429, google(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota"), 429, QUOTA),
    "Gemini busy": (503, google(503, "UNAVAILABLE", "The model is overloaded."), 503, RATE),
    "DeepSeek balance": (402, openai("Insufficient Balance", FINAL, "unknown_error"), 429, QUOTA),
    "DeepSeek no model": (400, openai("Model Not Exist", "invalid_request_error"), 404, FINAL),
    "DeepSeek content": (400, openai("Content Exists Risk"), 400, FINAL),
    "Moonshot context": (400, openai("Your request exceeded model token limit: 8192"), 400, CONTEXT),
    "Moonshot busy": (429, openai("The engine is currently overloaded", None, "engine_overloaded_error"), 429, RATE),
    "Moonshot quota": (429, openai("suspended", None, "exceeded_current_quota_error"), 429, QUOTA),
    "Z.ai balance": (429, {"error": {"code": "1113", "message": "Insufficient balance or no resource package"}}, 429, QUOTA),
    "Z.ai context": (400, {"error": {"code": "1261", "message": "Prompt exceeds max length"}}, 400, CONTEXT),
    "Qwen content": (400, {"error": {"code": "data_inspection_failed", "message": "Output data may contain inappropriate content."}}, 400, FINAL),
    "Qwen context": (400, {"code": "InvalidParameter", "message": "Range of input length should be [1, 30720]"}, 400, CONTEXT),
    "Groq too many tokens per minute": (413, openai("Request too large for model `x` on tokens per minute (TPM): Limit 6000", RATE, "tokens"), 400, CONTEXT),
    "xAI context": (400, {"code": "Client specified an invalid argument", "error": "This model's maximum prompt length is 131072"}, 400, CONTEXT),
    "xAI key": (400, {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: ab***yz."}, 401, FINAL),
    "Mistral detail": (422, {"detail": [{"loc": ["body", "messages"], "msg": "field required"}]}, 422, FINAL),
    "Mistral message": (401, {"detail": "Unauthorized"}, 401, FINAL),
    "OpenRouter in stream": (None, {"error": {"code": 502, "message": "Provider returned error"}}, 502, "server_error"),
    "OpenRouter rate in stream": (None, {"error": {"code": 429, "message": "too fast"}}, 429, RATE),
    "OpenRouter credits": (402, {"error": {"code": 402, "message": "This request requires more credits"}}, 429, QUOTA),
    "OpenRouter moderation": (403, {"error": {"code": 403, "message": "openai/x requires moderation"}}, 400, FINAL),
    "Bedrock throttling": (429, {"message": "Too many tokens, please wait before trying again."}, 429, RATE),
    "Bedrock context": (400, {"message": "Input is too long for requested model."}, 400, CONTEXT),
    "llama.cpp context": (400, {"error": {"code": 400, "message": "the request exceeds the available context size", "type": "exceed_context_size_error"}}, 400, CONTEXT),
    "llama.cpp loading": (503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, 503, RATE),
    "LM Studio context": (400, {"error": "The number of tokens to keep from the initial prompt is greater than the context length"}, 400, CONTEXT),
    "Ollama no model": (404, {"error": "model 'x' not found, try pulling it first"}, 404, FINAL),
    "vLLM context": (400, {"object": "error", "message": "The decoder prompt is longer than the model's context length", "code": 400}, 400, CONTEXT),
    "a gateway's page": (502, b"<html><head><title>502 Bad Gateway</title></head></html>", 502, "server_error"),
    "request timeout": (408, b"", 504, "upstream_timeout"),
    "empty body": (400, b"", 400, FINAL),
    "an unknown 4xx": (418, b"teapot", 400, FINAL),
    "an unknown 5xx": (520, b"error code: 520", 520, "server_error"),
    "nothing known": (None, None, 502, "server_error"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_refusal_of_each_provider_is_understood(name: str) -> None:
    status, error, client_status, code = REFUSALS[name]
    problem = upstream_problem(TARGET, status, error)
    assert (problem.status, problem.code) == (client_status, code)
    assert "deepseek (deepseek-chat at https://api.deepseek.com)" in problem.message


@pytest.mark.parametrize("name", REFUSALS)
def test_bytes_and_parsed_values_mean_the_same(name: str) -> None:
    status, error, *_ = REFUSALS[name]
    if isinstance(error, bytes):
        assert upstream_problem(TARGET, status, error) == upstream_problem(
            TARGET, status, error.decode()
        )
    else:
        assert upstream_problem(TARGET, status, orjson.dumps(error)) == upstream_problem(
            TARGET, status, error
        )


def waited(problem: Problem) -> str:
    match = CODEX_WAIT.search(problem.message)
    assert match
    return "".join(match.groups())


@pytest.mark.parametrize(
    ("requested", "message", "expected"),
    [
        (7.0, "", "7s"),
        (1.5, "", "1.5s"),
        (0.0, "", "10s"),
        (None, "", "10s"),
        (3600.0, "", "120s"),
        (None, "Please try again in 1.2s. Visit the docs", "1.2s"),
        (None, "Please try again in 6m1s.", "120s"),
        (None, "Please try again in 400ms.", "0.4s"),
        (7.0, "Please try again in 90s.", "7s"),
    ],
)
def test_codex_reads_the_wait_that_the_provider_requests(
    requested: float | None, message: str, expected: str
) -> None:
    problem = upstream_problem(TARGET, 429, openai(message), requested)
    assert problem.code == RATE
    assert waited(problem) == expected


def test_long_wait_in_words_is_read_and_named() -> None:
    problem = upstream_problem(TARGET, 429, openai("Please try again in 1h15m3.2s."))
    assert (problem.code, waited(problem)) == (RATE, "120s")
    assert "(it asks for 4503.2 s)" in problem.message


@pytest.mark.parametrize(
    ("body", "wait"),
    [
        ({"error": {"code": "1310", "message": "Limit Exhausted. Your limit will reset at 2023-11-17 00:23:20"}}, "2 days 2 hours"),
        ({"error": "you have reached your weekly usage limit, resets in 3h12m5s"}, "3 hours 12 minutes"),
        ({"error": {"message": "Rate limit reached, try again in 30 hours"}}, "1 day 6 hours"),
    ],
)  # fmt: skip
def test_end_of_a_used_up_quota_is_named(body: object, wait: str) -> None:
    problem = upstream_problem(TARGET, 429, body, None, 1_700_000_000.0)
    assert (problem.status, problem.code) == (429, QUOTA)
    assert f"It is back in {wait}." in problem.message
    assert not CODEX_WAIT.search(problem.message.partition("The provider says")[0])


def test_wait_of_another_limit_is_no_end_of_a_used_up_quota() -> None:
    status, body = QUOTAS["Gemini per day, with a delay"]
    problem = upstream_problem(TARGET, status, body)
    assert problem.code == QUOTA
    assert "back in" not in problem.message
    assert "34" not in problem.message


def test_wait_of_a_header_does_not_hide_a_lasting_limit() -> None:
    weekly = {"error": "you have reached your weekly usage limit"}
    assert upstream_problem(TARGET, 429, weekly, 10.0).code == QUOTA
    assert upstream_problem(TARGET, 429, openai("x", QUOTA, QUOTA), 10.0).code == QUOTA


def test_refusal_inside_an_error_of_a_gateway_is_final() -> None:
    inner = "Error code: 400 - {'error': {'message': 'tool_choice is unknown', 'code': 400}}"
    problem = upstream_problem(TARGET, 500, openai(inner, "500"))
    assert (problem.status, problem.code) == (400, FINAL)
    assert problem.message.endswith("(HTTP 500) The provider says: tool_choice is unknown")


def test_body_is_classified_before_keys_in_it_are_masked() -> None:
    text = "sk-maximum-context-length: maximum context length sk-exceeded12"
    problem = upstream_problem(TARGET, 400, openai(text))
    assert problem.code == CONTEXT
    assert "sk-" not in problem.message


def test_shortened_wait_is_named() -> None:
    assert "(it asks for 3600 s)" in upstream_problem(TARGET, 429, b"", 3600.0).message


@pytest.mark.parametrize("status", [401, 403, 404])
def test_refused_key_never_looks_like_the_login_of_codex(status: int) -> None:
    problem = upstream_problem(TARGET, status, openai("no"))
    assert problem.code == FINAL
    assert "my-deepseek" in problem.message


def test_refused_key_names_the_settings_to_check() -> None:
    message = upstream_problem(TARGET, 401, openai("no")).message
    assert all(word in message for word in ("api_key_env", "models.json", "codex-shim doctor"))


@pytest.mark.parametrize("key", ["message", "detail", "error_description", "title", "reason"])
def test_message_is_found_under_every_field_name(key: str) -> None:
    for body in ({key: "Because."}, {"error": {key: "Because."}}, {"message": "", key: "Because."}):
        message = upstream_problem(TARGET, 400, body).message
        assert message.endswith(" (HTTP 400) The provider says: Because.")


def test_html_page_is_quoted_by_its_title() -> None:
    page = b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title><body>lots</html>"
    message = upstream_problem(TARGET, 502, page).message
    assert "502 Bad Gateway" in message
    assert "<" not in message


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("red \x1b[31malert\x1b[0m", "red alert"),
        ("title \x1b]0;owned\x07 done", "title  done"),
        ("a\x00b\x7fc\x9bd\u202ee", "a b c d e"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("key sk-proj-abcdefgh1234 refused", "key [key] refused"),
        ("Authorization: Bearer abcdefghijkl", "Authorization: [key]"),
        ("key AIzaSyA1234567890123456789012345", "key [key]"),
    ],
)
def test_control_characters_and_keys_are_not_quoted(text: str, shown: str) -> None:
    assert quotable(text) == shown


@pytest.mark.parametrize("character", ["a", "é", "🙂"])
def test_quote_ends_at_two_kib_and_at_a_whole_character(character: str) -> None:
    shown = quotable(character * 5000)
    assert len(shown.encode()) <= MAX_QUOTED_BYTES
    assert shown.rstrip("…") == character * (len(shown) - 1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "error",
                    "message",
                    "code",
                    "type",
                    "status",
                    "detail",
                    "details",
                    "retryDelay",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(status=st.none() | st.integers(0, 1000), error=JSON | st.binary() | st.text())
def test_total_for_any_status_and_body(status: int | None, error: object) -> None:
    problem = upstream_problem(TARGET, status, error)
    assert 400 <= problem.status < 1001
    assert problem.code
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", problem.message)
