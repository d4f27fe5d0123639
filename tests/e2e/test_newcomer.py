"""From the built wheel to a turn and back: the steps of a new user on an empty home."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from addons.core.version import VERSION
from tests.e2e.codex_cli import CodexHome
from tests.e2e.newcomer import OWN, Newcomer
from tests.fakes import scenarios
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.chatgpt_backend import ChatGptBackend
from tests.fakes.cursor import FakeCursor
from tests.fakes.model_upstream import KEY, ScriptedAnswer
from tests.readme import README
from tests.support.ports import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240), pytest.mark.xdist_group("newcomer")]

ROOT = Path(__file__).parents[2]


def uv() -> str:
    found = shutil.which("uv")
    if not found:
        pytest.skip("uv is missing: it builds and installs the wheel")
    return found


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    build = [uv(), "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, timeout=120)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into an environment of its own; return its `codex-shim`."""
    folder = tmp_path_factory.mktemp("installed")
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    venv = [uv(), "venv", "--quiet", "--python", sys.executable, str(folder / "venv")]
    subprocess.run(venv, check=True, timeout=120)
    install = [uv(), "pip", "install", "--quiet", "--python", str(python), str(wheel)]
    subprocess.run(install, check=True, timeout=200)
    return python.with_name("codex-shim")


@pytest.fixture
def own_models() -> Iterator[ChatUpstream]:
    with ChatUpstream() as upstream:
        yield upstream
    assert upstream.objections == []


@pytest.fixture
def cursor(tmp_path: Path) -> Iterator[FakeCursor]:
    """A fake cursor-agent with a login, first on PATH."""
    fake = FakeCursor(tmp_path / "cursor")
    fake.install()
    fake.login("in")
    fake.play("echo")
    yield fake
    assert not (fake.notes / "leaked").exists()


def env_of(cursor: FakeCursor, user: CodexHome) -> dict[str, str]:
    return {**cursor.env, "PATH": f"{cursor.bin}{os.pathsep}{user.env['PATH']}"}


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


def enable_run_and_disable(newcomer: Newcomer, model: str) -> list[str]:
    """Run the commands of the quick start in order; return the messages of the model."""
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


def test_without_any_setup(user: CodexHome, installed: Path) -> None:
    newcomer = Newcomer(user, program=[str(installed)])
    try:
        assert enable_run_and_disable(newcomer, "shim-demo")
    finally:
        newcomer.end_all()


def test_with_a_chatgpt_login(user: CodexHome, backend: ChatGptBackend, installed: Path) -> None:
    env = {"CODEX_SHIM_CHATGPT_BASE_URL": backend.base_url}
    newcomer = Newcomer(user, env, [str(installed)])
    backend.play(scenarios.text("from the account"))
    try:
        assert enable_run_and_disable(newcomer, "gpt-5.5") == ["from the account"]
    finally:
        newcomer.end_all()


def test_with_own_models(user: CodexHome, own_models: ChatUpstream, installed: Path) -> None:
    write_models(user, own_models)
    newcomer = Newcomer(user, program=[str(installed)])
    own_models.play(ScriptedAnswer("from my own"))
    try:
        assert enable_run_and_disable(newcomer, "Mine") == ["from my own"]
    finally:
        newcomer.end_all()


def test_model_changes_between_account_and_own_key(
    user: CodexHome, backend: ChatGptBackend, own_models: ChatUpstream, installed: Path
) -> None:
    write_models(user, own_models)
    env = {"CODEX_SHIM_CHATGPT_BASE_URL": backend.base_url}
    newcomer = Newcomer(user, env, [str(installed)])
    backend.play(scenarios.text("from the account"), scenarios.text("from the account again"))
    own_models.play(ScriptedAnswer("from my own", "with a thought"))
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


def test_with_cursor_only(user: CodexHome, cursor: FakeCursor, installed: Path) -> None:
    newcomer = Newcomer(user, env_of(cursor, user), [str(installed)])
    try:
        assert enable_run_and_disable(newcomer, "composer-2-5") == ["Noted."]
        newcomer.program = [str(installed.with_name("codex-shim-install-cursor-composer"))]
        newcomer.ok()
        newcomer.program = [str(installed)]
        assert newcomer.home.exec("hello").messages == ["Noted."]
        newcomer.ok("disable")
    finally:
        newcomer.end_all()


def test_with_all_three_kinds(
    user: CodexHome,
    backend: ChatGptBackend,
    own_models: ChatUpstream,
    cursor: FakeCursor,
    installed: Path,
) -> None:
    write_models(user, own_models)
    env = {**env_of(cursor, user), "CODEX_SHIM_CHATGPT_BASE_URL": backend.base_url}
    newcomer = Newcomer(user, env, [str(installed)])
    backend.play(scenarios.text("from the account"))
    own_models.play(ScriptedAnswer("from my own"))
    answers = {"gpt-5.5": "from the account", "Mine": "from my own", "composer-2-5": "Noted."}
    try:
        newcomer.ok("generate")
        assert newcomer.config.read_bytes() == OWN
        for model, answer in answers.items():
            newcomer.ok("model", "use", model)
            assert newcomer.home.exec("hello").messages == [answer]
        doctor = newcomer.run("doctor")
        assert doctor.returncode == 0, doctor.stdout
        newcomer.ok("disable")
        assert newcomer.config.read_bytes() == OWN
        assert newcomer.records == []
    finally:
        newcomer.end_all()


def test_install_line_of_the_readme_installs_the_command(wheel: Path, tmp_path: Path) -> None:
    [line] = [line for line in README.lines() if line.startswith("uv tool install")]
    command = [str(wheel) if part == "." else part for part in line.split()]
    assert command[0] == "uv"
    env = {**os.environ, "UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path)}
    subprocess.run([uv(), *command[1:], "--quiet"], env=env, check=True, timeout=200)
    version = subprocess.run(
        [tmp_path / "codex-shim", "--version"], capture_output=True, text=True, check=True
    )
    assert version.stdout == f"codex-shim {VERSION}\n"


def test_installed_wheel_finds_its_addon(user: CodexHome, installed: Path) -> None:
    newcomer = Newcomer(user, program=[str(installed)])
    addon = Path(newcomer.ok("addon-path").strip())
    assert addon.is_file()
    assert addon.is_relative_to(installed.parents[1])
    assert newcomer.run("start", "--port", str(free_port()), "--settings", "no").returncode == 1
