"""One more rule for every model, in every thread of yours and of sub-agents."""

from __future__ import annotations

from addons.hooks import Turn

API_VERSION = 1
RULE = "House rule: answer in English, and never use tabs."


def on_turn(turn: Turn) -> Turn:
    """Add the rule to the instructions. It is the same in each request of a thread: a rule with a date would end the cache."""
    is_helper = turn.agent not in ("user", "sub-agent")
    return turn if is_helper or turn.is_compaction else turn.add_instructions(RULE)
