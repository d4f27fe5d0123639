"""A plugin of pydantic is not shown models.json, and every other schema has it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from addons.adapters.system import pydantic_plugins
from addons.adapters.system.pydantic_plugins import VARIABLE, without_plugins
from tests.shim_cli.run import environment

PLUGIN = """
from pydantic.plugin import PydanticPluginProtocol

class Plugin(PydanticPluginProtocol):
    def new_schema_validator(self, schema, schema_type, *more, **named):
        print("seen:", schema_type.__name__)
        return None, None, None

plugin = Plugin()
"""
PROGRAM = """
import os
from pathlib import Path
from addons.adapters.route_sources import RouteSources

print(len(RouteSources(os.environ, Path("models.json")).rows.rows), os.environ.get("PYDANTIC_DISABLE_PLUGINS"))
from pydantic import BaseModel
class Mine(BaseModel):
    a: int
"""


def test_schema_of_rows_is_made_without_plugins(tmp_path: Path) -> None:
    (tmp_path / "spy_plugin.py").write_text(PLUGIN)
    metadata = tmp_path / "spy-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: spy\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[pydantic]\nspy = spy_plugin:plugin\n")
    (tmp_path / "models.json").write_text(
        '[{"model": "m", "provider": "deepseek", "api_key": "sk-hush"}]'
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM],
        env=environment(tmp_path, {"PYTHONPATH": str(tmp_path)}),
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ran.stdout.splitlines() == ["1 None", "seen: Mine"]


@pytest.mark.parametrize("before", [None, "logfire"])
def test_variable_is_as_before(before: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pydantic_plugins, "SCHEMA", "none")
    monkeypatch.delenv(VARIABLE, raising=False)
    if before:
        monkeypatch.setenv(VARIABLE, before)
    with without_plugins():
        assert os.environ[VARIABLE] == "__all__"
    assert os.environ.get(VARIABLE) == before


def test_variable_is_left_alone_once_the_schema_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pydantic_plugins, "SCHEMA", "sys")
    monkeypatch.delenv(VARIABLE, raising=False)
    with without_plugins():
        assert VARIABLE not in os.environ
