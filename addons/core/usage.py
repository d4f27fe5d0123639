"""The token usage of a turn, in the terms of the Responses API. The counts of every protocol become one `Usage`.

Never does: estimate a missing count. Invariant: written counts are integers that every JSON reader can hold, and both
detail objects are present.
"""

from __future__ import annotations

from typing import NamedTuple

from addons.core.json_values import as_int, as_object

MAX_TOKENS = 2**53 - 1
"""The largest count that is written. An absurd count must not break the event that ends the turn."""


class Usage(NamedTuple):
    """Tokens of one turn. Cached and cache-written tokens are part of the input, reasoning tokens of the output."""

    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    total_tokens: int
    cache_written_tokens: int = 0
    """Part of the input. Reported only by providers that charge for it."""

    @classmethod
    def of(cls, value: object) -> Usage | None:
        """Read the `usage` object of a response. None unless its three sums are integers."""
        usage = as_object(value)
        tokens_in = as_int(usage.get("input_tokens"))
        tokens_out = as_int(usage.get("output_tokens"))
        total = as_int(usage.get("total_tokens"))
        if tokens_in is None or tokens_out is None or total is None:
            return None
        inside = as_object(usage.get("input_tokens_details"))
        cached, written = inside.get("cached_tokens"), inside.get("cache_write_tokens")
        reasoning = as_object(usage.get("output_tokens_details")).get("reasoning_tokens")
        return cls(
            tokens_in,
            as_int(cached) or 0,
            tokens_out,
            as_int(reasoning) or 0,
            total,
            as_int(written) or 0,
        )

    def plain(self) -> dict[str, int]:
        """Return the counts as plain data, under short names."""
        return {
            "input": min(self.input_tokens, MAX_TOKENS),
            "cached": min(self.cached_tokens, MAX_TOKENS),
            "cache_written": min(self.cache_written_tokens, MAX_TOKENS),
            "output": min(self.output_tokens, MAX_TOKENS),
            "reasoning": min(self.reasoning_tokens, MAX_TOKENS),
        }

    def to_response(self) -> dict[str, object]:
        """Return the `usage` object of a response. Clients require both detail objects."""
        return {
            "input_tokens": min(self.input_tokens, MAX_TOKENS),
            "input_tokens_details": {
                "cached_tokens": min(self.cached_tokens, MAX_TOKENS),
                "cache_write_tokens": min(self.cache_written_tokens, MAX_TOKENS),
            },
            "output_tokens": min(self.output_tokens, MAX_TOKENS),
            "output_tokens_details": {"reasoning_tokens": min(self.reasoning_tokens, MAX_TOKENS)},
            "total_tokens": min(self.total_tokens, MAX_TOKENS),
        }
