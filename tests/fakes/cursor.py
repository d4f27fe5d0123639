"""Installs and controls the fake cursor-agent of a test, and reads its records."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("cursor_agent.py")


@dataclass(frozen=True)
class FakeCursor:
    """A fake cursor-agent in its own `folder`."""

    folder: Path

    def install(self, name: str = "cursor-agent") -> Path:
        """Install the program in `bin`, and return its path."""
        self.bin.mkdir(parents=True, exist_ok=True)
        self.notes.mkdir(parents=True, exist_ok=True)
        binary = self.bin / name
        binary.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{SCRIPT}" "$@"\n')
        binary.chmod(0o755)
        return binary

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    @property
    def notes(self) -> Path:
        return self.folder / "notes"

    @property
    def env(self) -> dict[str, str]:
        """The environment variables that the fake needs."""
        return {"FAKE_CURSOR": str(self.notes)}

    @property
    def path(self) -> str:
        """A PATH with the fake and the programs that a shell script needs."""
        return f"{self.bin}{os.pathsep}/usr/bin{os.pathsep}/bin"

    def login(self, state: str) -> None:
        """Set the login state: `in`, `out`, `hangs`, `text-in`, `text-out` or `odd`."""
        self._set("login", state)

    def play(self, scenario: str) -> None:
        """Set the scenario of the next turns."""
        self._set("scenario", scenario)

    def say(self, *texts: str) -> None:
        """Set the answers of the next turns, one text per turn. KEY stands for the key of a call."""
        self._set("lines", json.dumps(texts))
        self.play("text_only")

    def _set(self, name: str, value: str) -> None:
        """Write atomically: a concurrent reader sees the old or the new value."""
        self.notes.mkdir(parents=True, exist_ok=True)
        (self.notes / f".{name}").write_text(value)
        (self.notes / f".{name}").replace(self.notes / name)

    def go(self) -> None:
        """Let slow turns continue."""
        (self.notes / "go").touch()

    @property
    def turns(self) -> list[dict[str, Any]]:
        """The input of each turn, in order."""
        found = sorted(self.notes.glob("seen-*.json"), key=lambda path: int(path.stem[5:]))
        return [json.loads(path.read_text()) for path in found]

    @property
    def at_work(self) -> int:
        """The number of slow turns that are running."""
        return len(list(self.notes.glob("at-work-*")))

    @property
    def status_queries(self) -> int:
        """The number of login queries."""
        try:
            return len((self.notes / "status-queries").read_text().splitlines())
        except OSError:
            return 0

    @property
    def pids(self) -> list[int]:
        """Every process of the fake and of its children."""
        try:
            grandchildren = (self.notes / "grandchildren").read_text().split()
        except OSError:
            grandchildren = []
        return [*(turn["pid"] for turn in self.turns), *map(int, grandchildren)]

    @property
    def alive(self) -> list[int]:
        """Those processes that are running, or whose process group is."""
        return [pid for pid in self.pids if is_alive(pid) or _has_group(pid)]


def is_alive(pid: int) -> bool:
    """Return whether a process is running. A zombie is not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not _is_zombie(pid)


def _has_group(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False
