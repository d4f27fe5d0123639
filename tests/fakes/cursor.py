"""The fake cursor-agent as it is installed for a test, and what it has noted."""

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
    """`folder` is its own."""

    folder: Path

    def install(self, name: str = "cursor-agent") -> Path:
        """Put the program where PATH may lead to."""
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
        """What it needs of the environment."""
        return {"FAKE_CURSOR": str(self.notes)}

    @property
    def path(self) -> str:
        """A PATH that leads to it and to what a shell script needs."""
        return f"{self.bin}{os.pathsep}/usr/bin{os.pathsep}/bin"

    def login(self, state: str) -> None:
        """`in`, `out`, `hangs`, `text-in`, `text-out` or `odd`."""
        self._set("login", state)

    def play(self, scenario: str) -> None:
        """What the next turns are."""
        self._set("scenario", scenario)

    def say(self, *texts: str) -> None:
        """What it says as a model, one text a turn. KEY stands for the key that a call needs."""
        self._set("lines", json.dumps(texts))
        self.play("speaks")

    def _set(self, name: str, value: str) -> None:
        """At once: a child that looks meanwhile finds the old or the new."""
        self.notes.mkdir(parents=True, exist_ok=True)
        (self.notes / f".{name}").write_text(value)
        (self.notes / f".{name}").replace(self.notes / name)

    def go(self) -> None:
        """Let the slow ones go on."""
        (self.notes / "go").touch()

    @property
    def turns(self) -> list[dict[str, Any]]:
        """What each turn was given, in their order."""
        found = sorted(self.notes.glob("seen-*.json"), key=lambda path: int(path.stem[5:]))
        return [json.loads(path.read_text()) for path in found]

    @property
    def at_work(self) -> int:
        """How many slow ones are at it now."""
        return len(list(self.notes.glob("at-work-*")))

    @property
    def asked(self) -> int:
        """How often the login was asked for."""
        try:
            return len((self.notes / "asked").read_text().splitlines())
        except OSError:
            return 0

    @property
    def pids(self) -> list[int]:
        """Every process that it was or has started."""
        try:
            grandchildren = (self.notes / "grandchildren").read_text().split()
        except OSError:
            grandchildren = []
        return [*(turn["pid"] for turn in self.turns), *map(int, grandchildren)]

    @property
    def alive(self) -> list[int]:
        """Which of them live still, and what else is in a group of theirs."""
        return [pid for pid in self.pids if is_alive(pid) or _has_group(pid)]


def is_alive(pid: int) -> bool:
    """Whether it runs: one that has ended and is not waited for does not."""
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
