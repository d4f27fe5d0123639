"""The response object of a translated answer, as its opening events announce it.

Source: OpenAI API reference, "The response object". Never does: keep or change a request. Invariant: every field that
clients require is present, with the API's default if the request has no value.
"""

from __future__ import annotations

from collections.abc import Mapping

from addons.core.json_values import JsonDict

# The fields of its request that a response object repeats, with their defaults.
ECHO: dict[str, object] = {
    "background": False, "instructions": None, "max_output_tokens": None, "max_tool_calls": None, "metadata": {},
    "parallel_tool_calls": True, "previous_response_id": None, "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None}, "safety_identifier": None, "service_tier": None, "store": False,
    "temperature": None, "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_logprobs": None,
    "top_p": None, "truncation": "disabled", "user": None,
}  # fmt: skip


def announced_response(
    response_id: str, created_at: int, model: str, request: Mapping[str, object]
) -> JsonDict:
    """Return the response object of an answer that begins. It repeats fields of the body of its request."""
    response: JsonDict = {
        "id": response_id,
        "object": "response",
        "created_at": created_at,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        **ECHO,
        "usage": None,
    }
    for key, value in request.items():
        if value is not None and key in ECHO:
            default = ECHO[key]
            if isinstance(default, dict) and isinstance(value, dict):
                response[key] = {**default, **value}
            else:
                response[key] = value
    return response
