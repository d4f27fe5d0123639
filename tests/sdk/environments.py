"""Separate environments for third-party clients and servers, each pinned and built once.

They are stored in the cache of the tests, outside the repository and the environment of this project, so no version of
one decides a version of the other. Never does: install anything that is not named here. Invariant: an environment that is
marked as ready contains exactly its packages.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.installation import cache_dir

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Environment:
    """A name, and packages with their versions."""

    name: str
    packages: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """The folder of the environment. It depends on the packages and the Python version."""
        contents = "\n".join((sys.version, *self.packages))
        return cache_dir() / f"{self.name}-{hashlib.sha256(contents.encode()).hexdigest()[:12]}"

    def program(self, name: str) -> Path:
        """Return a program of the environment, which is built on first use. Skip without uv; fail in CI."""
        ready = self.folder / "ready"
        if not ready.exists():
            with _exclusive_lock(self.folder.with_suffix(".lock")):
                if not ready.exists():
                    self._build()
                    ready.touch()
        return self.folder / "bin" / name

    def _build(self) -> None:
        python = str(self.folder / "bin" / "python")
        _uv("venv", "--clear", "--python", sys.executable, str(self.folder))
        _uv("pip", "install", "--python", python, *self.packages)


OPENAI = Environment("openai", ("openai==3.57.0", "openai-agents==0.24.0"))
LITELLM = Environment("litellm", ("litellm[proxy]==1.108.7",))


@contextmanager
def _exclusive_lock(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _uv(*arguments: str) -> None:
    done = subprocess.run(
        [_uv_program(), *arguments],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"uv {arguments[0]} failed: {done.stderr[-2000:]}"


def _uv_program() -> str:
    # `uv run` sets its own path; a `uv` on PATH may be the wrapper of a version manager.
    found = os.environ.get("UV") or shutil.which("uv")
    if found:
        return found
    reason = "uv is missing: the SDK tests need it to build environments of their own"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
