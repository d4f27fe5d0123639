from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from addons.origins.codex_cli import CodexCli, CodexCliError
from tests.origins.fake_codex import FakeCodex


def cli(fake: FakeCodex, limit_seconds: float = 20.0) -> CodexCli:
    return CodexCli(str(fake.binary), {"PATH": os.defpath}, limit_seconds)


def test_the_binary_is_named_by_a_variable_or_found_on_the_path(tmp_path: Path) -> None:
    fake = FakeCodex(tmp_path)

    named = CodexCli.find({"CODEX_BIN": "/some/codex", "PATH": str(tmp_path)})
    found = CodexCli.find({"PATH": str(tmp_path)})

    assert named
    assert named.binary == "/some/codex"
    assert found
    assert found.binary == str(fake.binary)
    assert CodexCli.find({"PATH": str(tmp_path / "empty")}) is None
    assert CodexCli.find({}) is None


def test_it_is_asked_for_its_version_and_its_catalog(tmp_path: Path) -> None:
    codex = cli(FakeCodex(tmp_path, version="0.170.0-alpha.1"))

    assert codex.version() == "0.170.0-alpha.1"
    assert b"bundled-0.170.0-alpha.1" in codex.bundled_catalog()


def test_every_run_has_a_home_of_its_own_that_is_gone_afterwards(tmp_path: Path) -> None:
    fake = FakeCodex(tmp_path)
    codex = CodexCli(str(fake.binary), {"PATH": os.defpath, "CODEX_HOME": str(tmp_path / "real")})

    codex.version()
    codex.bundled_catalog()
    codex.refusal_of(b'{"models":[]}')

    homes = [home for _, home in fake.calls]
    assert len(set(homes)) == 3
    assert tmp_path / "real" not in homes
    assert not any(home.exists() for home in homes)


def test_a_catalog_that_it_takes_has_no_refusal(tmp_path: Path) -> None:
    assert cli(FakeCodex(tmp_path)).refusal_of(b'{"models":[]}') == ""


def test_a_refusal_is_given_in_its_own_words_without_our_temporary_path(tmp_path: Path) -> None:
    refusal = cli(FakeCodex(tmp_path, behaviour="refuse")).refusal_of(b"{}")

    assert refusal == "failed to parse model_catalog_json as JSON: missing field `slug`"


@pytest.mark.parametrize("question", ["version", "bundled_catalog", "refusal_of"])
def test_a_binary_that_fails_is_an_error_with_its_name(tmp_path: Path, question: str) -> None:
    codex = cli(FakeCodex(tmp_path, behaviour="broken"))
    arguments = [b"{}"] if question == "refusal_of" else []

    with pytest.raises(CodexCliError, match=str(codex.binary)):
        getattr(codex, question)(*arguments)


def test_a_binary_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CodexCliError, match="could not be started: No such file"):
        CodexCli(str(tmp_path / "none"), {}).version()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_binary_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    fake = FakeCodex(tmp_path, behaviour="hang")

    with pytest.raises(CodexCliError, match="took longer than 2 s"):
        cli(fake, limit_seconds=2).version()

    grandchild = int(fake.log.with_suffix(".log.pid").read_text())
    assert _is_gone(grandchild)


def _is_gone(pid: int) -> bool:
    """Gone, or dead and only waiting for init to collect it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state in {"Z", "X"}


def test_without_a_temporary_folder_it_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(CodexCliError, match="no temporary folder"):
        cli(FakeCodex(tmp_path)).version()
