"""Check the line rate and the branch rate of a `coverage json` report against a minimum.

coverage's own --fail-under is one number for both: lines can make up for branches that no test takes.
Never does: measure. Invariant: a report in which nothing was measured fails.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

MIN_PERCENT = 95.0
KINDS = {"lines": ("covered_lines", "num_statements"), "branches": ("covered_branches", "num_branches")}  # fmt: skip


def rates(totals: Mapping[str, int]) -> dict[str, float]:
    """Return the covered percentage of each kind."""
    return {
        kind: 100 * totals[covered] / totals[total] if totals[total] else 0.0
        for kind, (covered, total) in KINDS.items()
    }


def outcome(totals: Mapping[str, int], minimum: float = MIN_PERCENT) -> tuple[int, str]:
    """Return the exit code, and the message."""
    found = rates(totals)
    lines = [
        f"{kind}: {totals[covered]} of {totals[total]}, {found[kind]:.2f} %"
        for kind, (covered, total) in KINDS.items()
    ]
    insufficient = [kind for kind, rate in found.items() if rate < minimum]
    if insufficient:
        lines.append(f"FAILED: less than {minimum:g} % of {' and '.join(insufficient)}")
    return bool(insufficient), "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Check the report on stdin. Return the exit code."""
    code, message = outcome(json.load(sys.stdin)["totals"], *map(float, arguments))
    print(message)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
