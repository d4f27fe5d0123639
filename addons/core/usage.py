"""What a turn used: tokens, in the form of the Responses API.

Every protocol's own counts become one of these. Never does: guess a count that nobody told. Invariant: what is written
is an integer that JSON's readers take, and both detail objects are there.
"""

from __future__ import annotations

from dataclasses import dataclass

from addons.core.values import integer, obj

MOST_TOKENS = 2**53 - 1
"""The largest count that is written: a nonsensical one must not break the event that ends the turn."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one turn. Cached and cache-written ones are part of the input, reasoning ones of the output."""

    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    total_tokens: int
    cache_written_tokens: int = 0
    """Part of the input; only providers that charge for it tell."""

    @classmethod
    def of(cls, value: object) -> Usage | None:
        """Read a `usage` object of the wire. None unless its three sums are integers."""
        usage = obj(value)
        sums = [
            integer(usage.get(key)) for key in ("input_tokens", "output_tokens", "total_tokens")
        ]
        if None in sums:
            return None
        inside = obj(usage.get("input_tokens_details"))
        cached, written = inside.get("cached_tokens"), inside.get("cache_write_tokens")
        reasoning = obj(usage.get("output_tokens_details")).get("reasoning_tokens")
        tokens_in, tokens_out, total = (number or 0 for number in sums)
        return cls(
            tokens_in,
            integer(cached) or 0,
            tokens_out,
            integer(reasoning) or 0,
            total,
            integer(written) or 0,
        )

    def plain(self) -> dict[str, int]:
        """As plain data, under short names."""
        return {
            "input": _written(self.input_tokens),
            "cached": _written(self.cached_tokens),
            "cache_written": _written(self.cache_written_tokens),
            "output": _written(self.output_tokens),
            "reasoning": _written(self.reasoning_tokens),
        }

    def wire(self) -> dict[str, object]:
        """The `usage` object of a response: clients validate that both detail objects are there."""
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
    return min(count, MOST_TOKENS)
