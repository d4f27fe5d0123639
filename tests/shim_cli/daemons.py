"""A user with background shims, which are killed at the end of the test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.shim_cli.forks.client import keep_servers
from tests.shim_cli.run import shim
from tests.support.ports import free_port


@dataclass
class User:
    home: Path
    port: int
    more: Mapping[str, str] = field(default_factory=dict)

    def run(self, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        port = {"CODEX_SHIM_PORT": str(self.port)}
        return shim(self.home, *args, env={**port, **self.more, **env})

    @property
    def state(self) -> Path:
        return self.home / "state"

    @property
    def record(self) -> Path:
        return self.state / "run" / f"{self.port}.json"

    @property
    def pid(self) -> int:
        pid: int = json.loads(self.record.read_text())["pid"]
        return pid

    @property
    def config(self) -> Path:
        return self.home / ".codex" / "config.toml"


@contextmanager
def user_with_daemons(home: Path) -> Iterator[User]:
    keep_servers("commands", "serve")
    user = User(home, free_port())
    try:
        yield user
    finally:
        for record in (home / "state" / "run").glob("*.json"):
            _end(json.loads(record.read_text())["pid"])


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
