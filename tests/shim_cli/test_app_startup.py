"""Modules that a command imports: `--help` and a cached `list` must be fast."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.shim_cli.run import environment

HEAVY = frozenset(
    {
        "mitmproxy",
        "httpx",
        "pydantic",
        "pydantic_core",
        "rich",
        "asyncio",
        "ssl",
        "tomlkit",
        "orjson",
        "urllib.request",
        "importlib.metadata",
    }
)
PROGRAM = """
import sys
from shim_cli.app import main
try:
    main()
finally:
    sys.stderr.write("\\n".join(sys.modules))
"""
ROWS = '[{"model":"m","provider":"deepseek","api_key":"sk-hush"}]'


def imported_by(home: Path, *args: str) -> set[str]:
    ran = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, *args],
        env=environment(home),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    return set(ran.stderr.splitlines())


@pytest.mark.parametrize("args", [("--help",), ("list", "--help"), ("--version",)])
def test_help_imports_no_heavy_module(tmp_path: Path, args: tuple[str, ...]) -> None:
    assert imported_by(tmp_path, *args) & HEAVY == set()


@pytest.mark.parametrize("args", [("list",), ("list", "--all"), ("list", "--json")])
def test_cached_list_imports_no_heavy_module(tmp_path: Path, args: tuple[str, ...]) -> None:
    settings = tmp_path / ".codex-shim" / "models.json"
    settings.parent.mkdir()
    settings.write_text(ROWS)

    assert "pydantic" in imported_by(tmp_path, *args), "rows are validated once"
    loaded = imported_by(tmp_path, *args)

    assert loaded & HEAVY == set()
    assert "addons.adapters.route_sources" not in loaded


def test_heavy_modules_exist() -> None:
    names = {"mitmproxy.http", "rich.console", *HEAVY}
    script = f"import sys\nfor name in {sorted(names)}: __import__(name)\nprint(*sys.modules)"

    ran = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True
    )

    assert set(ran.stdout.split()) >= names
