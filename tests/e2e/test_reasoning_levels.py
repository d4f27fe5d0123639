"""Each version of the real Codex starts with the catalog that codex-shim makes for it, and shows the levels that it knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.codex_cli import CodexHome, Json
from tests.e2e.conftest import StartShim
from tests.e2e.installation import OLDEST, PREVIOUS, VERSION, installed_codex
from tests.e2e.newcomer import Newcomer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

ROW = {"model": "claude-opus-4-8", "slug": "opus", "provider": "anthropic", "api_key": "k"}
LADDER = ["low", "medium", "high", "xhigh"]
LEVELS = {OLDEST: LADDER, PREVIOUS: [*LADDER, "max"], VERSION: [*LADDER, "max"]}


class Upgrader(Newcomer):
    """A user with one row, whose Codex changes."""

    def install_codex(self, version: str) -> None:
        self.home.codex = installed_codex(version)
        self.home.extra_env["CODEX_BIN"] = str(self.home.codex)

    @property
    def made_for(self) -> str:
        """The version of Codex that the catalog file names."""
        catalog = json.loads((self.home.state / "custom_model_catalog.json").read_bytes())
        return str(catalog["client_version"])


@pytest.fixture
def upgrader(tmp_path: Path) -> Iterator[Upgrader]:
    someone = Upgrader(CodexHome(tmp_path, Path("codex")))
    (someone.home.home / ".codex-shim").mkdir()
    models = someone.home.home / ".codex-shim" / "models.json"
    models.write_text(json.dumps({"models": [ROW]}))
    yield someone
    someone.end_all()


def efforts(models: list[Json]) -> list[str]:
    """Return the levels of the row in a catalog."""
    [levels] = [model["supported_reasoning_levels"] for model in models if model["slug"] == "opus"]
    assert isinstance(levels, list)
    return [level["effort"] for level in levels]


def test_catalog_follows_upgrades_and_downgrades(upgrader: Upgrader) -> None:
    for version in (OLDEST, VERSION, PREVIOUS, OLDEST):
        upgrader.install_codex(version)
        upgrader.ok("model", "use", "opus")
        assert efforts(upgrader.home.models()) == LEVELS[version], version
        assert upgrader.made_for == version
        assert "other reasoning levels" not in upgrader.run("doctor").stdout
    upgrader.ok("disable")


def test_doctor_names_the_catalog_of_another_codex(upgrader: Upgrader) -> None:
    upgrader.install_codex(OLDEST)
    upgrader.ok("generate")
    upgrader.install_codex(VERSION)
    said = upgrader.run("doctor").stdout
    assert f"(for Codex {OLDEST}; {VERSION} is installed)" in " ".join(said.split())
    upgrader.ok("generate")
    upgrader.install_codex(OLDEST)
    said = " ".join(upgrader.run("doctor").stdout.split())
    assert "unknown variant `max`" in said
    assert "Codex would not start with it" in said
    upgrader.ok("generate")
    assert "would not start" not in upgrader.run("doctor").stdout


@pytest.mark.parametrize("version", [VERSION, PREVIOUS, OLDEST])
def test_each_codex_starts_with_the_list_that_the_running_shim_serves_to_it(
    upgrader: Upgrader, start_shim: StartShim, version: str
) -> None:
    upgrader.install_codex(version)
    models = upgrader.home.home / ".codex-shim" / "models.json"
    shim = start_shim("serve", "--settings", str(models))
    _, served = shim.get(f"/v1/models?client_version={version}")
    catalog = upgrader.home.root / "served.json"
    catalog.write_bytes(served)
    upgrader.home.configure(
        "http://127.0.0.1:9/v1", "opus", settings={"model_catalog_json": str(catalog)}
    )

    assert efforts(upgrader.home.models()) == LEVELS[version]
