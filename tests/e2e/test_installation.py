"""The `codex` of the npm package, as users start it: with a new home and what it does by default. The other tests start its program."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.codex_cli import CodexHome
from tests.e2e.installation import OLDEST, PREVIOUS, VERSION, installed_codex, packaged_codex
from tests.e2e.one_row import SLUG, one_row_shim
from tests.e2e.shim import Shim
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.model_upstream import command, say

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120), pytest.mark.xdist_group("installation")]

OF_ONE_RUN = {"CODEX_HOME", "CODEX_SESSION_ID", "CODEX_SHIM_STATE_DIR", "CODEX_THREAD_ID", "HOME", "OLDPWD", "PWD"}  # fmt: skip
OF_THE_SHELL = {"SHLVL", "TERM"}
"""Those of Codex, or those of its snapshot of the shell if that was ready before the command."""
OF_THE_LAUNCHER = {"SSL_CERT_FILE"}
"""Set for speed alone."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[ChatUpstream]:
    with ChatUpstream() as running:
        yield running
    assert running.objections == []


@pytest.fixture(scope="module")
def shim(upstream: ChatUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shim]:
    home = CodexHome(tmp_path_factory.mktemp("shim"), installed_codex())
    with one_row_shim(home, upstream) as running:
        yield running


def seen_by_a_command(
    root: Path, codex: Path, shim: Shim, upstream: ChatUpstream
) -> dict[str, str]:
    """Run a turn of a new user, and return the environment of the command that the model runs."""
    user = CodexHome(root, codex)
    user.configure(f"http://127.0.0.1:{shim.port}/v1", SLUG, settings={"features": {}})
    upstream.play(say("", command("env > seen.txt")), say("done"))
    run = user.exec("look around")
    assert run.messages == ["done"], run.errors + run.stderr
    lines = (user.workspace / "seen.txt").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


@pytest.mark.parametrize("version", [VERSION, PREVIOUS, OLDEST])
def test_program_has_the_environment_of_the_package(
    version: str, shim: Shim, upstream: ChatUpstream, tmp_path: Path
) -> None:
    packaged, started = (
        seen_by_a_command(tmp_path / name, codex, shim, upstream)
        for name, codex in (("npm", packaged_codex(version)), ("own", installed_codex(version)))
    )
    assert packaged["CODEX_MANAGED_BY_NPM"] == "1"
    ours = str(installed_codex(version).parent)
    folders = [each for each in started["PATH"].split(":") if not each.startswith(ours)]
    assert folders == packaged["PATH"].split(":")
    different = {name for name, _ in packaged.items() ^ started.items()}
    assert different - OF_ONE_RUN - OF_THE_SHELL - OF_THE_LAUNCHER <= {"PATH"}
