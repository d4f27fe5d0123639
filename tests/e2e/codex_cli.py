"""The real Codex CLI, pinned, with its own home folder and no access beyond this machine.

Never does: read or write the home of the developer, pass on their environment. Invariant: every proxy variable points at a closed port, so the requests that Codex makes at
start fail at once.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tomlkit

from tests.e2e.installation import PROXIES, databases_of

NO_SANDBOX = ("--dangerously-bypass-approvals-and-sandbox",)

IN_VAIN = {"apps": False, "plugins": False, "shell_snapshot": False}
"""What Codex asks of services that it cannot reach here, for a second, and a file that no test reads."""

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Run:
    """The result of one `codex exec --json`."""

    code: int
    events: list[Json]
    stderr: str
    stdout: str

    @property
    def items(self) -> list[Json]:
        """The finished items, in order."""
        done = (event for event in self.events if event["type"] == "item.completed")
        return [item for event in done if isinstance(item := event["item"], dict)]

    def items_of(self, kind: str) -> list[Json]:
        """The finished items of one type."""
        return [item for item in self.items if item["type"] == kind]

    @property
    def messages(self) -> list[str]:
        """The messages of the agent."""
        return [str(item["text"]) for item in self.items_of("agent_message")]

    @property
    def errors(self) -> str:
        """All errors among the JSON events."""
        kinds = ("error", "turn.failed")
        failures = [event for event in self.events if event["type"] in kinds]
        return json.dumps([*failures, *self.items_of("error")])

    @property
    def usage(self) -> Json:
        """The token counts of the finished turn."""
        done = next(event for event in self.events if event["type"] == "turn.completed")
        usage = done["usage"]
        return usage if isinstance(usage, dict) else {}


@dataclass(slots=True)
class CodexHome:
    """A user with Codex and nothing else: HOME, CODEX_HOME and a workspace under one root."""

    root: Path
    codex: Path
    extra_env: dict[str, str] = field(default_factory=dict)
    provider: dict[str, object] = field(default_factory=dict)
    """Keys that every config.toml gives to the provider."""

    def __post_init__(self) -> None:
        for folder in (self.home, self.codex_home, self.workspace, self.state):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def codex_home(self) -> Path:
        return self.home / ".codex"

    @property
    def workspace(self) -> Path:
        return self.root / "workspace"

    @property
    def state(self) -> Path:
        """The state folder of codex-shim."""
        return self.root / "state"

    @property
    def env(self) -> dict[str, str]:
        """The environment of a child process: from the caller only the paths of programs and certificates."""
        inherited = ("PATH", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV", "COVERAGE_PROCESS_START")
        return {
            **{name: os.environ[name] for name in inherited if name in os.environ},
            **PROXIES,
            "NO_PROXY": "127.0.0.1,localhost",
            "HOME": str(self.home),
            "CODEX_HOME": str(self.codex_home),
            "CODEX_SHIM_STATE_DIR": str(self.state),
            "TERM": "xterm",
            **self.extra_env,
        }

    def configure(
        self,
        base_url: str,
        model: str,
        *,
        settings: Mapping[str, object] | None = None,
        **provider: object,
    ) -> None:
        """Write config.toml with one provider at this URL. `provider` adds keys to it, `settings` adds root keys."""
        document: dict[str, object] = {
            "model": model,
            "model_provider": "codex_shim",
            "features": IN_VAIN,
            **(settings or {}),
            "analytics": {"enabled": False},
            "model_providers": {
                "codex_shim": {
                    "name": "codex-shim",
                    "base_url": base_url,
                    "wire_api": "responses",
                    **self.provider,
                    **provider,
                }
            },
        }
        (self.codex_home / "config.toml").write_text(tomlkit.dumps(document))

    def exec(
        self, prompt: str, *flags: str, timeout: float = 50, policy: Sequence[str] = NO_SANDBOX
    ) -> Run:
        """Run one turn of `codex exec` to its end. `policy` holds its sandbox flags."""
        if not any(self.codex_home.glob("*.sqlite")):
            for database in databases_of(self.codex):
                shutil.copy(database, self.codex_home)
        command = [
            str(self.codex),
            "exec",
            "--json",
            "--skip-git-repo-check",
            *policy,
            *flags,
            "--",
            prompt,
        ]
        with subprocess.Popen(
            command,
            cwd=self.workspace,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # The `codex` of the npm package starts the real binary; a timeout must end both.
            start_new_session=True,
        ) as process:
            try:
                stdout, stderr = process.communicate(timeout=timeout)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return Run(process.returncode, _events(stdout), stderr, stdout)

    def models(self, *flags: str) -> list[Json]:
        """Return the catalog that Codex uses, or with `--bundled` the one that it ships."""
        done = subprocess.run(
            [str(self.codex), "debug", "models", *flags],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=True,
        )
        models: list[Json] = json.loads(done.stdout)["models"]
        return models


def _events(stdout: str) -> list[Json]:
    return [json.loads(line) for line in stdout.splitlines() if line.startswith("{")]
