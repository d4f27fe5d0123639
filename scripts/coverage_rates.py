"""Says how many lines and branches of a `coverage json` report were run, each apart, and fails when either is too few.

coverage's own --fail-under takes one number, in which branches that nobody took drown among lines.
Never does: measure. Invariant: a report in which nothing was measured fails.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

LEAST = 95.0
KINDS = {"lines": ("covered_lines", "num_statements"), "branches": ("covered_branches", "num_branches")}  # fmt: skip


def rates(totals: Mapping[str, int]) -> dict[str, float]:
    """How many of each kind were run, in percent."""
    return {
        kind: 100 * totals[run] / totals[there] if totals[there] else 0.0
        for kind, (run, there) in KINDS.items()
    }


def outcome(totals: Mapping[str, int], least: float = LEAST) -> tuple[int, str]:
    """The exit code, and what to say."""
    found = rates(totals)
    said = [
        f"{kind}: {totals[run]} of {totals[there]}, {found[kind]:.2f} %"
        for kind, (run, there) in KINDS.items()
    ]
    few = [kind for kind, rate in found.items() if rate < least]
    if few:
        said.append(f"FAILED: less than {least:g} % of {' and '.join(few)}")
    return bool(few), "\n".join(said)


def main(arguments: Sequence[str]) -> int:
    """Read the report from stdin."""
    code, words = outcome(json.load(sys.stdin)["totals"], *map(float, arguments))
    print(words)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
