"""The chat completions API's own shapes, and how upstreams vary them: text, usage, errors, finish reasons.

Source: OpenAI API reference, "Chat Completions: streaming", and the providers named in `tests/quirks`. Pure look-ups;
nothing here keeps state. Invariant: total, any JSON value is read or is nothing, never an exception.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from addons.core.translate.events import StopReason
from addons.core.usage import Usage
from addons.core.values import obj, string

Json = Mapping[str, object]

DEEPEST = 32
"""How deep content may be nested to be read: nobody means more, and Python has an end."""
FINISHED = {
    "tool_calls": StopReason.TOOL_CALLS,
    "tool_call": StopReason.TOOL_CALLS,
    "tool_use": StopReason.TOOL_CALLS,
    "function_call": StopReason.TOOL_CALLS,
    "length": StopReason.LENGTH,
    "max_tokens": StopReason.LENGTH,
    "max_output_tokens": StopReason.LENGTH,
    "model_length": StopReason.LENGTH,
    "model_context_window_exceeded": StopReason.LENGTH,
    "content_filter": StopReason.CONTENT_FILTER,
    "content_filtered": StopReason.CONTENT_FILTER,
    "sensitive": StopReason.CONTENT_FILTER,
    "safety": StopReason.CONTENT_FILTER,
    "recitation": StopReason.CONTENT_FILTER,
    "blocklist": StopReason.CONTENT_FILTER,
    "prohibited_content": StopReason.CONTENT_FILTER,
    "refusal": StopReason.REFUSAL,
}
"""Finish reason → why the model stopped. A word that is not here (stop, eos, end_turn, …) is a plain end."""

BROKEN = frozenset(
    {
        "error",
        "abort",
        "aborted",
        "cancelled",
        "network_error",
        "insufficient_system_resource",
        "malformed_function_call",
        "repetition_truncation",
    }
)
"""Finish reasons that say that the answer is not whole."""


def parts(value: object, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Content as (kind, text): a string, a part, or a list of parts, which may hold lists themselves."""
    if isinstance(value, str):
        yield "text", value
    elif depth > DEEPEST:
        return
    elif isinstance(value, list):
        for part in value:
            yield from parts(part, depth + 1)
    elif isinstance(value, dict):
        yield from _part(value, depth + 1)


def _part(part: Json, depth: int) -> Iterator[tuple[str, str]]:
    for key, kind in (("thinking", "reasoning"), ("refusal", "refusal")):
        if key in part:
            yield kind, text_of(part[key], depth)
    if "text" in part:
        yield "text", text_of(part["text"], depth)


def text_of(value: object, depth: int = 0) -> str:
    """All text of content in one."""
    return "".join(text for _, text in parts(value, depth))


def details_text(details: list[object]) -> str:
    """What OpenRouter's `reasoning_details` let one see: plain text and summaries, nothing that is encrypted."""
    return "".join(
        string(obj(detail).get("text")) or string(obj(detail).get("summary")) for detail in details
    )


def reasoning_of(delta: Json) -> str:
    """The thinking in a delta. The same text may stand in several fields: the first that has any counts."""
    for key in ("reasoning_content", "reasoning", "thinking"):
        if text := text_of(delta.get(key)):
            return text
    details = delta.get("reasoning_details")
    return details_text(details) if isinstance(details, list) else ""


def usage_in(chunk: Json, choice: Json) -> Usage | None:
    """The usage of a chunk, wherever the upstream puts it; None when there is none or it is all zero."""
    places = (chunk.get("usage"), obj(chunk.get("x_groq")).get("usage"), choice.get("usage"))
    return next((usage for place in places if place and (usage := _usage(obj(place)))), None)


def _usage(usage: Json) -> Usage | None:
    tokens_in = _first(usage, "prompt_tokens", "input_tokens")
    said = _first(usage, "completion_tokens", "output_tokens")
    total = max(_first(usage, "total_tokens"), tokens_in + said)
    if not total:
        return None
    inside = obj(usage.get("prompt_tokens_details"))
    cached = _first(inside, "cached_tokens") or _first(
        usage, "prompt_cache_hit_tokens", "cached_tokens"
    )
    cached = min(cached, tokens_in)
    written = _first(inside, "cache_write_tokens", "cache_creation_tokens") or _first(
        usage, "cache_creation_input_tokens"
    )
    # Gemini and xAI count thinking only in the total
    tokens_out = total - tokens_in
    thought = _first(obj(usage.get("completion_tokens_details")), "reasoning_tokens")
    thought = thought or _first(usage, "reasoning_tokens") or tokens_out - said
    return Usage(
        tokens_in,
        cached,
        tokens_out,
        min(thought, tokens_out),
        total,
        min(written, tokens_in - cached),
    )


def _first(usage: Json, *keys: str) -> int:
    for key in keys:
        value = usage.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return int(value)
    return 0


def error_in(chunk: Json, name: str) -> object | None:
    """What an upstream says went wrong, in a chunk of a 200 stream; None in a chunk that says nothing of it.

    The object of OpenAI and OpenRouter, that of older vLLM, of FastAPI's `detail`, of DashScope's bare `code` and
    `message`, and of MiniMax's `base_resp`.
    """
    if chunk.get("error"):
        return chunk
    status = obj(chunk.get("base_resp"))
    if _first(status, "status_code"):
        return {"code": status["status_code"], "message": status.get("status_msg")}
    if name == "error" or chunk.get("object") == "error" or chunk.get("type") == "error":
        return chunk
    # Under a name of its own it is something else: gateways tell progress and prices that way
    bare = not name and "choices" not in chunk
    coded = "code" in chunk and "message" in chunk
    return chunk if bare and (coded or chunk.get("detail")) else None
