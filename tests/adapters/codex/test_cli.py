"""The installed Codex binary: runs, limits and errors."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from addons.adapters.codex.cli import CodexCli, CodexCliError
from tests.adapters.fake_codex import FakeCodex
from tests.support.waiting import until


def cli(fake: FakeCodex, limit_seconds: float = 20.0) -> CodexCli:
    return CodexCli(str(fake.binary), {"PATH": os.defpath}, limit_seconds)


def test_binary_comes_from_the_variable_or_from_path(tmp_path: Path) -> None:
    fake = FakeCodex(tmp_path)

    named = CodexCli.find({"CODEX_BIN": "/some/codex", "PATH": str(tmp_path)})
    found = CodexCli.find({"PATH": str(tmp_path)})

    assert named
    assert named.binary == "/some/codex"
    assert found
    assert found.binary == str(fake.binary)
    assert CodexCli.find({"PATH": str(tmp_path / "empty")}) is None
    assert CodexCli.find({}) is None


def test_version_and_bundled_catalog(tmp_path: Path) -> None:
    codex = cli(FakeCodex(tmp_path, version="0.170.0-alpha.1"))

    assert codex.version() == "0.170.0-alpha.1"
    assert b"bundled-0.170.0-alpha.1" in codex.bundled_catalog()


def test_every_run_has_its_own_temporary_codex_home(tmp_path: Path) -> None:
    fake = FakeCodex(tmp_path)
    codex = CodexCli(str(fake.binary), {"PATH": os.defpath, "CODEX_HOME": str(tmp_path / "real")})

    codex.version()
    codex.bundled_catalog()
    codex.catalog_error(b'{"models":[]}')

    homes = [home for _, home in fake.calls]
    assert len(set(homes)) == 3
    assert tmp_path / "real" not in homes
    assert not any(home.exists() for home in homes)


def test_accepted_catalog_has_no_error(tmp_path: Path) -> None:
    assert cli(FakeCodex(tmp_path)).catalog_error(b'{"models":[]}') == ""


def test_catalog_error_omits_the_temporary_path(tmp_path: Path) -> None:
    error = cli(FakeCodex(tmp_path, behaviour="refuse")).catalog_error(b"{}")

    assert error == "failed to parse model_catalog_json as JSON: missing field `slug`"


@pytest.mark.parametrize("method", ["version", "bundled_catalog", "catalog_error"])
def test_failing_binary_is_an_error_with_its_name(tmp_path: Path, method: str) -> None:
    codex = cli(FakeCodex(tmp_path, behaviour="broken"))
    arguments = [b"{}"] if method == "catalog_error" else []

    with pytest.raises(CodexCliError, match=str(codex.binary)):
        getattr(codex, method)(*arguments)


def test_missing_binary_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CodexCliError, match="could not be started: No such file"):
        CodexCli(str(tmp_path / "none"), {}).version()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_hanging_binary_is_ended_with_its_descendants(tmp_path: Path) -> None:
    fake = FakeCodex(tmp_path, behaviour="hang")

    with pytest.raises(CodexCliError, match="took longer than 2 s"):
        cli(fake, limit_seconds=2).version()

    grandchild = int(fake.log.with_suffix(".log.pid").read_text())
    asyncio.run(until(lambda: _is_gone(grandchild)))


@pytest.mark.skipif(shutil.which("setsid") is None, reason="it needs setsid")
@pytest.mark.parametrize("end", ["sleep 600", "exit 0"])
def test_pipe_that_a_descendant_keeps_open_is_not_waited_for(tmp_path: Path, end: str) -> None:
    binary, ids = tmp_path / "codex", tmp_path / "ids"
    line = f"sleep 40 & echo $! >> {ids}; setsid sleep 30 & echo $! >> {ids}; {end}"
    binary.write_text(f"#!/bin/sh\n{line}\n")
    binary.chmod(0o755)
    began = time.monotonic()
    with pytest.raises(CodexCliError, match="took longer"):
        CodexCli(str(binary), dict(os.environ), limit_seconds=1).version()
    assert time.monotonic() - began < 10
    own, left = (int(one) for one in ids.read_text().split())
    os.kill(left, signal.SIGKILL)
    asyncio.run(until(lambda: _is_gone(own)))


def _is_gone(pid: int) -> bool:
    """Return whether the process is gone or a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state in {"Z", "X"}


def test_binary_is_not_run_without_a_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(CodexCliError, match="no temporary folder"):
        cli(FakeCodex(tmp_path)).version()
