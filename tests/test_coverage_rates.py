"""The last step of `just coverage`: separate minimums for lines and branches."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from scripts.coverage_rates import outcome


def totals(lines: int, branches: int, of: int = 1000) -> dict[str, int]:
    """Totals in the form of `coverage json`."""
    return {
        "covered_lines": lines,
        "num_statements": of,
        "covered_branches": branches,
        "num_branches": of,
    }


@pytest.mark.parametrize(
    ("lines", "branches", "fails"),
    [
        (950, 950, ""),
        (1000, 949, "less than 95 % of branches"),
        (949, 1000, "less than 95 % of lines"),
        (0, 0, "less than 95 % of lines and branches"),
    ],
)
def test_lines_and_branches_have_separate_minimums(lines: int, branches: int, fails: str) -> None:
    code, message = outcome(totals(lines, branches))
    assert code == bool(fails)
    assert message.partition("FAILED: ")[2] == fails


def test_empty_report_fails() -> None:
    assert outcome(totals(0, 0, of=0))[0] == 1


def test_report_comes_from_stdin_and_the_minimum_from_the_command_line() -> None:
    report = json.dumps({"files": {}, "totals": totals(970, 960)})

    def check(*bound: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "scripts.coverage_rates", *bound]
        return subprocess.run(command, input=report, capture_output=True, text=True, check=False)

    ran = check()
    assert (ran.returncode, ran.stdout) == (
        0,
        "lines: 970 of 1000, 97.00 %\nbranches: 960 of 1000, 96.00 %\n",
    )
    assert check("96.5").returncode == 1
