"""The token usage of a turn, in the terms of the Responses API. The counts of every protocol become one `Usage`.

Never does: estimate a missing count. Invariant: written counts are integers that every JSON reader can hold, and both
detail objects are present.
"""

from __future__ import annotations

from dataclasses import dataclass

from addons.core.json_values import as_int, as_object

MAX_TOKENS = 2**53 - 1
"""The largest count that is written. An absurd count must not break the event that ends the turn."""


@dataclass(frozen=True, slots=True)
class Usage:
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
        sums = [as_int(usage.get(key)) for key in ("input_tokens", "output_tokens", "total_tokens")]
        if None in sums:
            return None
        inside = as_object(usage.get("input_tokens_details"))
        cached, written = inside.get("cached_tokens"), inside.get("cache_write_tokens")
        reasoning = as_object(usage.get("output_tokens_details")).get("reasoning_tokens")
        tokens_in, tokens_out, total = (number or 0 for number in sums)
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
            "input": _written(self.input_tokens),
            "cached": _written(self.cached_tokens),
            "cache_written": _written(self.cache_written_tokens),
            "output": _written(self.output_tokens),
            "reasoning": _written(self.reasoning_tokens),
        }

    def to_response(self) -> dict[str, object]:
        """Return the `usage` object of a response. Clients require both detail objects."""
        return {
            "input_tokens": _written(self.input_tokens),
            "input_tokens_details": {
                "cached_tokens": _written(self.cached_tokens),
                "cache_write_tokens": _written(self.cache_written_tokens),
            },
            "output_tokens": _written(self.output_tokens),
            "output_tokens_details": {"reasoning_tokens": _written(self.reasoning_tokens)},
            "total_tokens": _written(self.total_tokens),
        }


def _written(count: int) -> int:
    return min(count, MAX_TOKENS)
