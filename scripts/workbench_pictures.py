"""Terminals for docs/workbench.md, from output that tests of the commands have produced: no process runs for a picture.

`radar` compares two recorded contracts, as the command does with the one of a Codex that has just run. The output of the
other commands comes from their tests, which compare the picture with the one in docs/pictures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from addons.adapters.codex.contracts import recorded
from addons.core.contract.contract import differences
from scripts.pictures import PORT, shell_line
from shim_cli.radar.report import comparison_lines

Scene = tuple[str, list[str]]
RADAR = ("0.169.0", "0.171.0")
_SHOWN_OF_CODEX = ("Drill ", "OpenAI Codex", "ERROR: ")
_LAST_OF_CODEX = "The upstream got "


def radar_scene() -> Scene:
    """Return what `radar` prints for the newest recorded Codex."""
    known = {contract.codex: contract for contract in recorded()}
    old, new = (known[version] for version in RADAR)
    lines = comparison_lines(old, new, differences(old, new))
    return shell_line(("radar", "--npm", new.codex)), list(lines)


def drill_scene(name: str, printed: str) -> Scene:
    """Return what a drill prints, without what Codex says about its environment."""
    return shell_line(("drill", name)), list(_drill_lines(printed))


def _drill_lines(printed: str) -> Iterator[str]:
    text = re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{PORT}", printed)
    codex, mark, rest = text.partition(_LAST_OF_CODEX)
    before = ""
    for line in codex.splitlines():
        # `codex exec` repeats its last error
        if line.startswith(_SHOWN_OF_CODEX) and line != before:
            yield line
            before = line
    yield from (mark + rest).rstrip().splitlines()


def cassette_scenes(recording: str, replaying: str, home: str) -> list[Scene]:
    """Return what `record` and `replay` print."""
    return [
        (shell_line((command, "turns.jsonl")), _serving_lines(printed, home))
        for command, printed in (("record", recording), ("replay", replaying))
    ]


def _serving_lines(printed: str, home: str) -> list[str]:
    """Return the lines of a shim in the foreground, without what differs from run to run."""
    text = printed.replace(home, "~")
    for pattern, fixed in (
        (r"127\.0\.0\.1:\d+", f"127.0.0.1:{PORT}"),
        (r"(?m)^\d\d:\d\d:\d\d", "12:00:00"),
        (r"TTFT [\d.e-]+ s", "TTFT 0.02 s"),
        (r" · [\d.]+ tok/s", ""),
    ):
        text = re.sub(pattern, fixed, text)
    return text.rstrip().splitlines()
