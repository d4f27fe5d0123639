"""Runs the installed Codex binary for its version, its bundled catalog, and the validation of a catalog.

Never does: run it in the user's own CODEX_HOME. Every run, even `--version`, writes there, so each run gets a temporary
folder. Invariant: a run ends within its time limit, together with every process that it started.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

LIMIT_SECONDS = 15.0
_CATALOG_NAME = "catalog.json"


class CodexCliError(Exception):
    """The binary could not be run, or its output was not understood. The message is for the user."""


@dataclass(frozen=True, slots=True)
class _Ran:
    code: int
    stdout: bytes
    stderr: str


@dataclass(frozen=True, slots=True)
class CodexCli:
    """One Codex binary. Every method may raise CodexCliError, and usually blocks for 0.1 s."""

    binary: str
    env: Mapping[str, str]
    limit_seconds: float = LIMIT_SECONDS

    @classmethod
    def find(cls, env: Mapping[str, str]) -> CodexCli | None:
        """Return the binary in $CODEX_BIN, else `codex` on PATH; None without one."""
        binary = env.get("CODEX_BIN") or shutil.which("codex", path=env.get("PATH", ""))
        return cls(binary, env) if binary else None

    def version(self) -> str:
        """Return the version, for example `0.169.0`."""
        ran = self._run("--version")
        found = re.search(rb"\d+\.\d+\.\d+[\w.-]*", ran.stdout)
        if ran.code or not found:
            msg = f"`{self.binary} --version` printed no version"
            raise CodexCliError(msg)
        return found.group().decode()

    def bundled_catalog(self) -> bytes:
        """Return the catalog inside the binary: `{"models": […]}`, about 750 KB."""
        ran = self._run("debug", "models", "--bundled")
        if ran.code:
            msg = f"`{self.binary} debug models --bundled` failed"
            raise CodexCliError(msg)
        return ran.stdout

    def catalog_error(self, catalog: bytes) -> str:
        """Return why the binary would not start with this catalog; empty when it would."""
        ran = self._run("debug", "models", catalog=catalog)
        if not ran.code:
            return ""
        error = next((line for line in ran.stderr.splitlines() if line.startswith("Error:")), "")
        if "model_catalog_json" not in error:
            msg = f"`{self.binary} debug models` failed, so it did not check the catalog"
            raise CodexCliError(msg)
        return re.sub(r"path `[^`]*` ", "", error.removeprefix("Error:").strip())

    def _run(self, *args: str, catalog: bytes | None = None) -> _Ran:
        prefix = "codex-shim-"
        try:
            with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as home:
                command = [self.binary, *args]
                if catalog is not None:
                    path = Path(home, _CATALOG_NAME)
                    path.write_bytes(catalog)
                    command += ["-c", f"model_catalog_json={orjson.dumps(str(path)).decode()}"]
                return self._run_in(home, command)
        except OSError as error:
            msg = f"{self.binary} was not run: no temporary folder ({error.strerror})"
            raise CodexCliError(msg) from error

    def _run_in(self, home: str, command: list[str]) -> _Ran:
        try:
            process = subprocess.Popen(  # noqa: S603 - the user's own binary, and no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**self.env, "CODEX_HOME": home},
                start_new_session=True,
            )
        except OSError as error:
            msg = f"{self.binary} could not be started: {error.strerror}"
            raise CodexCliError(msg) from error
        try:
            stdout, stderr = process.communicate(timeout=self.limit_seconds)
        except subprocess.TimeoutExpired as error:
            msg = f"`{' '.join(command[:2])}` took longer than {self.limit_seconds:g} s"
            raise CodexCliError(msg) from error
        finally:
            _end(process)
        return _Ran(process.returncode, stdout, stderr.decode(errors="replace"))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and its group. The `codex` of npm is a wrapper around the binary.

    Nothing is read from its pipes any more: a program that left the group may keep them open.
    """
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    elif process.poll() is None:
        process.kill()
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe:
            pipe.close()
