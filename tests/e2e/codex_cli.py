"""The real Codex CLI, pinned, in a home of its own, with no way out of this machine.

It is installed once from npm into a cache outside the repository. Never does: read or write the home of the person
who runs the tests, pass on their environment. Invariant: every proxy variable points at a closed port, so that the
calls which Codex makes at start are refused at once.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import tomlkit

VERSION = "0.169.0"
OLDEST = "0.133.0"
"""The oldest client that is held to work."""
CLOSED = "http://127.0.0.1:9"
NO_SANDBOX = ("--dangerously-bypass-approvals-and-sandbox",)

Json = dict[str, object]


def cache_dir() -> Path:
    """Where the client is kept between runs: $CODEX_SHIM_TEST_CACHE, else the user's cache folder."""
    named = os.environ.get("CODEX_SHIM_TEST_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    home_cache = Path(base) if base else Path.home() / ".cache"
    return home_cache / "codex-shim-tests"


def installed_codex(version: str = VERSION) -> Path:
    """The `codex` of a version, installed on first use. Skips without npm, but fails in CI."""
    prefix = cache_dir() / f"codex-{version}"
    binary = prefix / "node_modules" / ".bin" / "codex"
    if not binary.exists():
        _install(prefix, version)
    return binary


def _install(prefix: Path, version: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        reason = "npm is missing: the end-to-end tests need it to install the real Codex CLI"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    prefix.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=prefix.parent) as staging:
        client = Path(staging) / "client"
        package = f"@openai/codex@{version}"
        subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--prefix", str(client), package],
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=300,
        )
        try:
            client.rename(prefix)
        except OSError:
            # Another worker was faster: either copy will do.
            if not prefix.exists():
                raise


@dataclass(frozen=True, slots=True)
class Run:
    """What one `codex exec --json` did."""

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
        """What the agent said."""
        return [str(item["text"]) for item in self.items_of("agent_message")]

    @property
    def errors(self) -> str:
        """Everything Codex complained about, in its JSON events."""
        kinds = ("error", "turn.failed")
        said = [event for event in self.events if event["type"] in kinds]
        return json.dumps([*said, *self.items_of("error")])

    @property
    def usage(self) -> Json:
        """The token counts of the finished turn."""
        done = next(event for event in self.events if event["type"] == "turn.completed")
        usage = done["usage"]
        return usage if isinstance(usage, dict) else {}


@dataclass(slots=True)
class CodexHome:
    """A user who has Codex and nothing else: HOME, CODEX_HOME and a folder to work in, all under one root."""

    root: Path
    codex: Path
    extra_env: dict[str, str] = field(default_factory=dict)

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
        """What codex-shim writes goes here."""
        return self.root / "state"

    @property
    def env(self) -> dict[str, str]:
        """The whole environment of a child: nothing of the caller's but where programs and certificates are."""
        kept = ("PATH", "LANG", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV", "COVERAGE_PROCESS_START")
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), CLOSED)
        return {
            **{name: os.environ[name] for name in kept if name in os.environ},
            **proxies,
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
        """Write config.toml: one provider at this URL. `provider` holds further keys of it, `settings` of the top."""
        document: dict[str, object] = {
            "model": model,
            "model_provider": "codex_shim",
            **(settings or {}),
            "analytics": {"enabled": False},
            "model_providers": {
                "codex_shim": {
                    "name": "codex-shim",
                    "base_url": base_url,
                    "wire_api": "responses",
                    **provider,
                }
            },
        }
        (self.codex_home / "config.toml").write_text(tomlkit.dumps(document))

    def exec(
        self, prompt: str, *flags: str, timeout: float = 50, policy: Sequence[str] = NO_SANDBOX
    ) -> Run:
        """Run one turn of `codex exec` to its end. `policy`: what it may do to this machine."""
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
            # The `codex` of the npm package starts the real binary: a timeout must end both.
            start_new_session=True,
        ) as process:
            try:
                stdout, stderr = process.communicate(timeout=timeout)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return Run(process.returncode, _events(stdout), stderr, stdout)

    def models(self, *flags: str) -> list[Json]:
        """The catalog that Codex works with; with `--bundled`, the one that it carries."""
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
