"""Every benchmark explains itself: `--help` prints its help and runs nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
NO_COMMANDS = {
    "benchmarks.soak.agent", "benchmarks.speed.load", "benchmarks.speed.relay", "benchmarks.speed.upstream",
    "benchmarks.speed.websocket",
}  # fmt: skip
"""Children of a benchmark, started by it alone."""

EACH = """
import contextlib, io, json, runpy, sys
names, helps = sys.argv[1:], {}
for name in names:
    sys.argv[1:] = ["--help"]
    printed, code = io.StringIO(), "it did not end"
    with contextlib.redirect_stdout(printed):
        try:
            runpy.run_module(name, run_name="__main__", alter_sys=True)
        except SystemExit as left:
            code = left.code or 0
    helps[name] = code, printed.getvalue()
print(json.dumps(helps))
"""
"""Runs each program with --help as `python -m` does. One process: most of a start is spent on the same imports."""


def programs() -> list[str]:
    """Return the modules of `benchmarks` that can be run."""
    names = []
    for path in sorted((ROOT / "benchmarks").rglob("*.py")):
        if '__name__ == "__main__"' in path.read_text():
            parts = path.relative_to(ROOT).with_suffix("").parts
            names.append(".".join(part for part in parts if part != "__main__"))
    return [name for name in names if name not in NO_COMMANDS]


def test_help_is_printed_and_nothing_is_run() -> None:
    names = programs()
    assert len(names) >= 8
    done = subprocess.run(
        [sys.executable, "-c", EACH, *names], cwd=ROOT, capture_output=True, text=True, check=True, timeout=50
    )  # fmt: skip
    helps = json.loads(done.stdout)
    assert list(helps) == names
    for program, (code, printed) in helps.items():
        assert code == 0, program
        assert printed.startswith(f"usage: python -m {program} [-h]"), program
    assert done.stderr == ""
