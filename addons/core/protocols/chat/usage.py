"""The token usage in the chunks of a chat completions answer, in the fields that upstreams use for it.

Source: OpenAI API reference, "Chat Completions: usage"; the deviations of other upstreams are rows of `tests/quirks`.
Cached tokens are part of the input; some gateways report them separately, which the total shows. Never estimates a count
that no field implies. Invariant: total; cached and written tokens never exceed the input, reasoning never the output.
"""

from __future__ import annotations

from addons.core.json_values import JsonObject, as_object
from addons.core.usage import MAX_TOKENS, Usage

CACHED = ("cached_tokens", "cache_read_tokens", "cache_read_input_tokens")
CACHED_SEPARATELY = (
    "cache_read_input_tokens",
    "prompt_cache_hit_tokens",
    "cached_tokens",
    "cache_read_tokens",
)
WRITTEN = (
    "cache_write_tokens",
    "cache_creation_tokens",
    "cache_creation_input_tokens",
    "cache_write_input_tokens",
)
THOUGHT_DETAILS = ("completion_tokens_details", "output_tokens_details")


def find_usage(chunk: JsonObject, choice: JsonObject) -> Usage | None:
    """Return the usage in a chunk, from any of its known fields; None if there is none or it is all zero."""
    if "x_groq" not in chunk and "usage" not in choice and "message" not in choice:
        # nearly every chunk
        field = as_object(chunk.get("usage"))
        return read_usage(field) if field else None
    for holder in (chunk, chunk.get("x_groq"), choice, choice.get("message")):
        field = as_object(as_object(holder).get("usage")) if holder else {}
        if field and (usage := read_usage(field)):
            return usage
    return None


def read_usage(usage: JsonObject) -> Usage | None:
    """Return the usage of one usage object; None if it is all zero."""
    details = _details(usage, "prompt_tokens_details", "input_tokens_details")
    cached = count(details, *CACHED) or count(usage, *CACHED_SEPARATELY)
    written = count(details, *WRITTEN) or count(usage, *WRITTEN)
    prompt = count(usage, "prompt_tokens", "input_tokens")
    if not prompt:
        prompt = cached + count(usage, "prompt_cache_miss_tokens")
    completion = count(usage, "completion_tokens", "output_tokens")
    total = count(usage, "total_tokens")
    thought = count(_details(usage, *THOUGHT_DETAILS), "reasoning_tokens")
    thought = thought or count(usage, "reasoning_tokens")
    if not max(total, prompt + completion):
        return None
    tokens_in = prompt + _cached_separately(usage, prompt, cached, written)
    # Gemini and xAI count reasoning only in the total.
    tokens_out = max(completion, total - tokens_in)
    thought = thought or tokens_out - completion
    cached = min(cached, tokens_in)
    written = min(written, tokens_in - cached)
    return Usage(
        tokens_in, cached, tokens_out, min(thought, tokens_out), tokens_in + tokens_out, written
    )


def _cached_separately(usage: JsonObject, prompt: int, cached: int, written: int) -> int:
    """Return how many cached and written tokens the input does not contain yet."""
    separate = cached + written
    if not separate:
        return 0
    completion = count(usage, "completion_tokens", "output_tokens")
    more = count(usage, "total_tokens") - prompt - completion
    thought = count(_details(usage, *THOUGHT_DETAILS), "reasoning_tokens")
    for part in (separate, cached, written):
        if part and more in {part, part + thought}:
            return part
    # The input of Anthropic's counts holds no cached tokens.
    anthropic = count(usage, "cache_read_input_tokens") or count(
        usage, "cache_creation_input_tokens"
    )
    is_anthropic = "prompt_tokens" not in usage and "total_tokens" not in usage
    return separate if anthropic and (is_anthropic or anthropic > prompt) else 0


def _details(usage: JsonObject, *keys: str) -> JsonObject:
    for key in keys:
        if found := as_object(usage.get(key)):
            return found
    return {}


def count(usage: JsonObject, *keys: str) -> int:
    """Return the first positive number among these fields, else 0."""
    if not usage:
        return 0
    for key in keys:
        if key in usage:
            value = usage[key]
            if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
                return int(min(value, MAX_TOKENS))
    return 0
