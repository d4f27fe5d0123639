"""The real Codex accepts the catalog and the config of `codex-shim generate` unchanged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.codex_cli import CodexHome, Json
from tests.e2e.conftest import StartShim
from tests.e2e.installation import OLDEST, PREVIOUS, VERSION, installed_codex
from tests.e2e.shim import Shim, finished, shim_command
from tests.fakes import scenarios
from tests.fakes.account import Account
from tests.fakes.chatgpt_backend import ChatGptBackend

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def use_generated_files(user: CodexHome, shim: Shim, **settings: str) -> None:
    """Generate the files and copy config.toml into Codex's folder."""
    command = shim_command("generate", "--port", str(shim.port))
    done = finished(command, {**user.env, **settings}, user.workspace)
    assert done.returncode == 0, done.stderr
    config = (user.state / "config.toml").read_bytes()
    (user.codex_home / "config.toml").write_bytes(config)


@pytest.fixture
def generated(shim: Shim, user: CodexHome, backend: ChatGptBackend) -> CodexHome:
    """A user with a ChatGPT login and the files generated for it."""
    use_generated_files(user, shim, CODEX_SHIM_CHATGPT_BASE_URL=backend.base_url)
    return user


def test_codex_reads_the_generated_catalog(generated: CodexHome, shim: Shim) -> None:
    catalog = generated.state / "custom_model_catalog.json"
    written = [model["slug"] for model in json.loads(catalog.read_text())["models"]]

    read = [model["slug"] for model in generated.models()]

    assert read == written
    assert "gpt-5.5" in read
    assert set(shim.slugs()) == set(written)


ROWS = [
    {"model": "a/b:c", "slug": "chat", "provider": "openai", "base_url": "http://127.0.0.1:9/v1", "api_key": "k"},
    {"model": "m", "slug": "claude", "provider": "anthropic", "base_url": "http://127.0.0.1:9", "api_key": "k"},
    {"model": "deepseek-reasoner", "provider": "deepseek", "api_key": "k", "max_context_limit": 64_000},
    {"model": "claude-opus-4-8", "slug": "opus", "provider": "anthropic", "api_key": "k"},
    {"model": "native", "provider": "openai-responses", "base_url": "http://127.0.0.1:9/v1", "api_key": "k"},
]  # fmt: skip


@pytest.mark.parametrize("version", [VERSION, PREVIOUS, OLDEST])
def test_catalog_of_every_kind_of_model_loads_in_both_versions(
    tmp_path: Path, bundled_models: list[Json], version: str
) -> None:
    user = CodexHome(tmp_path, installed_codex(version))
    Account().write(user.codex_home)
    (user.codex_home / "models_cache.json").write_text(json.dumps({"models": bundled_models}))
    (user.home / ".codex-shim").mkdir()
    (user.home / ".codex-shim" / "models.json").write_text(json.dumps({"models": ROWS}))
    user.extra_env = {
        "CODEX_BIN": str(user.codex),
        "CODEX_SHIM_CHATGPT_BASE_URL": "http://127.0.0.1:9/backend-api/codex",
    }
    done = finished(shim_command("generate"), user.env, user.workspace)
    assert "Codex starts with this catalog." in done.stdout, done.stderr
    (user.codex_home / "config.toml").write_bytes((user.state / "config.toml").read_bytes())
    catalog = json.loads((user.state / "custom_model_catalog.json").read_text())
    written = [model["slug"] for model in catalog["models"]]
    assert [model["slug"] for model in user.models()] == written
    assert set(written) >= {"chat", "claude", "deepseek-reasoner", "native"}
    # the older Codex does not start with the entries of the newer one's own models
    assert ("gpt-5.5" in written) is (version != OLDEST)
    assert ("is left out" in done.stdout) is (version == OLDEST)
    used = finished(shim_command("doctor", "picker"), user.env, user.workspace)
    assert ("does not accept its catalog entry" in used.stdout) is (version == OLDEST)


@pytest.mark.parametrize("slug", ["gpt-5.5", "gpt-6-sol"])
def test_account_model_runs_from_the_generated_files(
    generated: CodexHome, backend: ChatGptBackend, slug: str
) -> None:
    backend.play(scenarios.text("from the account"))

    run = generated.exec("hello", "--model", slug)

    assert run.messages == ["from the account"]
    assert "not found" not in run.errors


def test_demo_is_the_generated_default_without_a_setup(
    user: CodexHome, start_shim: StartShim
) -> None:
    use_generated_files(user, start_shim())

    run = user.exec("hello")

    assert run.code == 0, run.stderr
    assert [model["slug"] for model in user.models()] == ["shim-demo"]
    assert run.items_of("command_execution")
