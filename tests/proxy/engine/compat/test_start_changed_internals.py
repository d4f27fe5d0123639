"""Changes of mitmproxy, h11 and asyncio: each is refused in plain words, or does no harm. CI tries all of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.proxy.engine.compat.changes import ALL
from tests.proxy.engine.compat.lab import UNCHANGED

ROOT = Path(__file__).parents[4]
WORKERS = 2
IN_CI = bool(os.environ.get("CI"))


def tried(tool: str, every: int) -> dict[str, tuple[str, str]]:
    """Return the verdict on each change, and what was said or went wrong."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    ran = subprocess.run(
        [sys.executable, "-m", "tests.proxy.engine.compat.lab", tool, str(WORKERS), str(every)],
        cwd=ROOT, env=env, capture_output=True, text=True, check=True, timeout=280,
    )  # fmt: skip
    lines = map(json.loads, ran.stdout.splitlines())
    return {line["name"]: (line["verdict"], line["detail"]) for line in lines}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("tool", "every"),
    [("serve", 1 if IN_CI else 8), ("mitmdump", 8 if IN_CI else 40), ("mitmweb", 35)],
)
def test_changed_internals_are_reported_or_harmless(tool: str, every: int) -> None:
    verdicts = tried(tool, every)

    print(tool, dict(Counter(verdict for verdict, _ in verdicts.values())))  # noqa: T201  the tally
    assert verdicts.pop(UNCHANGED.name) == ("harmless", ""), "the lab itself"
    assert len(verdicts) >= len(ALL) // every - 1
    assert {name: said for name, (verdict, said) in verdicts.items() if verdict == "harm"} == {}
    assert any(verdict == "noticed" for verdict, _ in verdicts.values())


def test_table_is_large_enough_and_names_each_change_once() -> None:
    names = [change.name for change in ALL]
    assert len(names) >= 36
    assert len(set(names)) == len(names)
