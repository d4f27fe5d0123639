"""The last line of the doctor's report: how many findings of each level.

Invariant: every level is there, also with none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from shim_cli.doctor.finding import LEVELS, Finding


def summary_of(findings: Sequence[Finding]) -> dict[str, int]:
    """How many findings of each level."""
    counts = Counter(finding.level for finding in findings)
    return {level: counts[level] for level in LEVELS}


def total_of(summary: Mapping[str, int]) -> str:
    """The counts in words."""
    return ", ".join(f"{count} {level}" for level, count in summary.items())
