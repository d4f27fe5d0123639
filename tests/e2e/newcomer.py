"""A user who runs commands. Shims that they start end with the test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.e2e.codex_cli import CodexHome
from tests.e2e.shim import finished, shim_command
from tests.shim_cli.forks.client import keep_servers
from tests.support.ports import free_port

OWN = (
    b"# my own\n"
    b'model = "gpt-5.5" # best\n'
    b'sandbox_mode = "danger-full-access"\n'
    b"\n"
    b"[analytics]\n"
    b"enabled = false\n"
    b'[projects."/somewhere"]\n'
    b'trust_level = "trusted"'
)


@dataclass
class Newcomer:
    """A user with a config.toml of their own. `program` is the command line of `codex-shim`."""

    home: CodexHome
    env: Mapping[str, str] = field(default_factory=dict)
    program: Sequence[str] = field(default_factory=shim_command)

    def __post_init__(self) -> None:
        keep_servers("serve")
        self.port = free_port()
        own = {"CODEX_SHIM_PORT": str(self.port), "CODEX_BIN": str(self.home.codex)}
        self.home.extra_env = {**own, **self.env}
        self.config = self.home.codex_home / "config.toml"
        self.config.write_bytes(OWN)

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        done = finished([*self.program, *args], self.home.env, self.home.workspace)
        assert "Traceback" not in done.stderr
        return done

    def ok(self, *args: str) -> str:
        done = self.run(*args)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def token(self) -> str:
        return (self.home.state / "token").read_text().strip()

    @property
    def records(self) -> list[dict[str, object]]:
        """The records of running shims."""
        folder = self.home.state / "run"
        return [json.loads(path.read_text()) for path in folder.glob("*.json")]

    def codex(self, *args: str) -> str:
        """Run Codex itself, which may write into its config."""
        done = subprocess.run(
            [str(self.home.codex), *args],
            env=self.home.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def end_all(self) -> None:
        """Kill shims that a failed test left running."""
        for record in self.records:
            try:
                os.kill(int(str(record["pid"])), signal.SIGKILL)
            except ProcessLookupError:
                continue
