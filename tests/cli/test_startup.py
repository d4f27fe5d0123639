"""What a command loads before it has done its work: `--help` and `list` are typed often, and have to be quick."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.run import environment

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
TELL = """
import sys
from shim_cli.app import main
try:
    main()
finally:
    sys.stderr.write("\\n".join(sys.modules))
"""
ROWS = '[{"model":"m","provider":"deepseek","api_key":"sk-hush"}]'


def loaded_by(home: Path, *args: str) -> set[str]:
    ran = subprocess.run(
        [sys.executable, "-P", "-c", TELL, *args],
        env=environment(home),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    return set(ran.stderr.splitlines())


@pytest.mark.parametrize("args", [("--help",), ("list", "--help"), ("--version",)])
def test_help_loads_nothing_heavy(tmp_path: Path, args: tuple[str, ...]) -> None:
    assert loaded_by(tmp_path, *args) & HEAVY == set()


@pytest.mark.parametrize("args", [("list",), ("list", "--all"), ("list", "--json")])
def test_a_second_list_loads_nothing_heavy(tmp_path: Path, args: tuple[str, ...]) -> None:
    settings = tmp_path / ".codex-shim" / "models.json"
    settings.parent.mkdir()
    settings.write_text(ROWS)

    assert "pydantic" in loaded_by(tmp_path, *args), "rows are checked once"
    loaded = loaded_by(tmp_path, *args)

    assert loaded & HEAVY == set()
    assert "addons.origins.sources" not in loaded


def test_the_heavy_ones_are_known_by_their_names() -> None:
    names = {"mitmproxy.http", "rich.console", *HEAVY}
    script = f"import sys\nfor name in {sorted(names)}: __import__(name)\nprint(*sys.modules)"

    ran = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True
    )

    assert set(ran.stdout.split()) >= names
