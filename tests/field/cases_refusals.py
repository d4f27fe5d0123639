"""Section 2 of the field cases: refusals whose meaning is easily missed. No repair helps; Codex has to be told the right code."""

from __future__ import annotations

from typing import Any

import orjson

from tests.field.rig import Case, Refuses, error

LONG, QUOTA, LIMIT = "context_length_exceeded", "insufficient_quota", "rate_limit_exceeded"
ROW = {"model": "m"}


def refusal_case(
    case: str,
    refusal: Any,
    code: str,
    *words: str,
    status: int = 400,
    row: Any = None,
    requests: int = 1,
    no_words: tuple[str, ...] = (),
) -> Case:
    """A server that answers every request with the same refusal."""
    return Case(case, {**ROW, **(row or {})}, refuses=(Refuses(lambda _body, _: True, refusal, status),), refused=requests, requests=requests,
                code=code, words=words, no_words=no_words)  # fmt: skip


def inside(raw: Any) -> dict[str, Any]:
    text = raw if isinstance(raw, str) else orjson.dumps(raw).decode()
    return error(
        "Provider returned error", code=400, metadata={"raw": text, "provider_name": "Other"}
    )


TOO_LONG = "This endpoint's maximum context length is 262144 tokens. However, you requested about 264896 tokens."
OVERFLOW = {
    "omlx": "Prompt too long: 32799 tokens exceeds max context window of 32768 tokens",
    "ollama": "the prompt exceeded max context length by 1200 tokens",
    "siliconflow": "length of prompt_tokens (40000) must be less than max_seq_len (32768).",
}

CASES = [
    refusal_case("c24", inside({"error": {"message": TOO_LONG, "code": 400}}), LONG, "maximum context length is 262144"),
    refusal_case("c24-text", inside(f"Error: {TOO_LONG}"), LONG, "262144"),
    refusal_case("c25-errors", {"errors": [{"message": TOO_LONG}]}, LONG, "262144"),
    refusal_case("c25-msg", {"code": 1, "msg": TOO_LONG}, LONG, "262144"),
    refusal_case("c25-error_msg", {"error_code": 336, "error_msg": TOO_LONG}, LONG, "262144"),
    refusal_case("c25-Message", {"Code": "InvalidParameter", "Message": TOO_LONG}, LONG, "262144"),
    refusal_case("c25-detail", {"detail": TOO_LONG}, LONG, "262144"),
    refusal_case("c49", {"error": {"code": "400", "message": "Param Incorrect", "param": "the tool_calls of message 3 have no answer", "type": ""}},
         "invalid_prompt", "the tool_calls of message 3 have no answer"),
    refusal_case("c26", {"error": "you have reached your weekly usage limit, please upgrade or wait"}, QUOTA, "weekly usage limit", status=429, row={"provider": "ollama", "model": "gpt-oss:120b-cloud"}),
    refusal_case("c27", error("Weekly/Monthly Limit Exhausted. Your limit will reset at 2026-07-14 07:49:08", code="1310"), QUOTA, "2026-07-14 07:49:08", status=429, row={"provider": "zai", "model": "glm-5.2"}),
    refusal_case("c26-passing", error("Quota exceeded for quota metric 'Generate Content requests' and limit 'requests per minute'. Please retry in 17s."), LIMIT, "try again in 17", status=429),
    *(refusal_case(f"c28-{server}", error(text), LONG, text[-20:]) for server, text in OVERFLOW.items()),
    refusal_case("c53", error("Prompt exceeds the maximum context length of 8192 tokens"), LONG, "Prompt exceeds the maximum context length", row={"api_key": "x"}),
    refusal_case("duration", error("Rate limit reached. Please try again in 1h15m3.2s."), LIMIT, "asks for 4503.2 s", status=429),
]  # fmt: skip
