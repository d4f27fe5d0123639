"""From the built wheel to a turn and back: what somebody does who has just heard of it, on an empty home."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.codex_cli import CodexHome
from tests.e2e.newcomer import OWN, Newcomer
from tests.e2e.shim import free_port
from tests.fakes import scenarios
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.chatgpt_backend import ChatGptBackend
from tests.fakes.model_upstream import KEY, Say

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `codex-shim` of a wheel that was just built, in an environment of its own."""
    uv = shutil.which("uv")
    if not uv:
        pytest.skip("uv is missing: it builds and installs the wheel")
    folder = tmp_path_factory.mktemp("installed")
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    for command in (
        [uv, "build", "--quiet", "--wheel", "--out-dir", str(folder / "dist"), str(ROOT)],
        [uv, "venv", "--quiet", "--python", sys.executable, str(folder / "venv")],
    ):
        subprocess.run(command, check=True, timeout=120)
    [wheel] = (folder / "dist").glob("*.whl")
    install = [uv, "pip", "install", "--quiet", "--python", str(python), str(wheel)]
    subprocess.run(install, check=True, timeout=200)
    return python.with_name("codex-shim")


@pytest.fixture
def own_models() -> Iterator[ChatUpstream]:
    with ChatUpstream() as upstream:
        yield upstream
    assert upstream.objections == []


def write_models(user: CodexHome, upstream: ChatUpstream) -> None:
    row = {
        "model": "fake-chat",
        "slug": "mine",
        "display_name": "Mine",
        "provider": "generic-chat-completion-api",
        "base_url": upstream.base_url,
        "api_key": KEY,
    }
    (user.home / ".codex-shim").mkdir()
    (user.home / ".codex-shim" / "models.json").write_text(json.dumps({"models": [row]}))


def there_and_back(newcomer: Newcomer, model: str) -> list[str]:
    """Everything that the guide says, in its order. Gives what the model said."""
    newcomer.run("doctor")
    newcomer.ok("generate")
    assert newcomer.config.read_bytes() == OWN
    newcomer.ok("model", "use", model)
    run = newcomer.home.exec("hello")
    assert run.code == 0, run.stderr + run.errors
    assert newcomer.ok("status").startswith("running at ")
    newcomer.ok("disable")
    assert newcomer.config.read_bytes() == OWN
    assert newcomer.records == []
    assert newcomer.run("status").returncode == 3
    return run.messages


def test_nothing_set_up(user: CodexHome, installed: Path) -> None:
    newcomer = Newcomer(user, program=[str(installed)])
    try:
        assert there_and_back(newcomer, "shim-demo")
    finally:
        newcomer.end_all()


def test_a_chatgpt_login(user: CodexHome, backend: ChatGptBackend, installed: Path) -> None:
    env = {"CODEX_SHIM_CHATGPT_BASE_URL": backend.base_url}
    newcomer = Newcomer(user, env, [str(installed)])
    backend.play(scenarios.text("from the account"))
    try:
        assert there_and_back(newcomer, "gpt-5.5") == ["from the account"]
    finally:
        newcomer.end_all()


def test_models_of_ones_own(user: CodexHome, own_models: ChatUpstream, installed: Path) -> None:
    write_models(user, own_models)
    newcomer = Newcomer(user, program=[str(installed)])
    own_models.play(Say("from my own"))
    try:
        assert there_and_back(newcomer, "Mine") == ["from my own"]
    finally:
        newcomer.end_all()


def test_both_and_a_change_between_them(
    user: CodexHome, backend: ChatGptBackend, own_models: ChatUpstream, installed: Path
) -> None:
    write_models(user, own_models)
    env = {"CODEX_SHIM_CHATGPT_BASE_URL": backend.base_url}
    newcomer = Newcomer(user, env, [str(installed)])
    backend.play(scenarios.text("from the account"), scenarios.text("from the account again"))
    own_models.play(Say("from my own", "with a thought"))
    try:
        newcomer.ok("enable")
        assert newcomer.home.exec("hello").messages == ["from the account"]
        newcomer.ok("model", "use", "mine")
        assert newcomer.home.exec("hello").messages == ["from my own"]
        newcomer.ok("model", "use", "gpt-5.5")
        same_thread = newcomer.home.exec("and now?", "resume", "--last")
        assert same_thread.messages == ["from the account again"], same_thread.errors
        assert b"from my own" in backend.turns[-1].body
        newcomer.ok("disable")
        assert newcomer.config.read_bytes() == OWN
    finally:
        newcomer.end_all()


def test_a_wheel_finds_its_own_addon(user: CodexHome, installed: Path) -> None:
    newcomer = Newcomer(user, program=[str(installed)])
    addon = Path(newcomer.ok("addon-path").strip())
    assert addon.is_file()
    assert addon.is_relative_to(installed.parents[1])
    assert newcomer.run("start", "--port", str(free_port()), "--settings", "no").returncode == 1
