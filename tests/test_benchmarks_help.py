"""Every benchmark explains itself: `--help` prints its help and runs nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NO_COMMANDS = {
    "benchmarks.soak.agent", "benchmarks.speed.load", "benchmarks.speed.relay", "benchmarks.speed.upstream",
    "benchmarks.speed.websocket",
}  # fmt: skip
"""Children of a benchmark, started by it alone."""


def programs() -> list[str]:
    """Return the modules of `benchmarks` that can be run."""
    names = []
    for path in sorted((ROOT / "benchmarks").rglob("*.py")):
        if '__name__ == "__main__"' in path.read_text():
            parts = path.relative_to(ROOT).with_suffix("").parts
            names.append(".".join(part for part in parts if part != "__main__"))
    return [name for name in names if name not in NO_COMMANDS]


@pytest.mark.parametrize("program", programs())
def test_help_is_printed_and_nothing_is_run(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", program, "--help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=50
    )  # fmt: skip
    assert done.stdout.startswith(f"usage: python -m {program} [-h]")
    assert done.stderr == ""
