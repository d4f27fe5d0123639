"""`codex-shim radar`, run as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from addons.adapters.codex.contracts import add_seen
from addons.core.contract.seen import Unknown
from tests.shim_cli.radar.programs import fake_codex
from tests.shim_cli.run import shim


def test_installed_codex_is_compared_with_the_version_before(tmp_path: Path) -> None:
    codex = fake_codex(tmp_path / "bin", "tool")
    file = tmp_path / "contract.json"
    env = {"CODEX_BIN": str(codex)}
    done = shim(tmp_path, "radar", "--write", str(file), env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Codex 0.172.0, compared with 0.171.0\n")
    assert "    + function planted_tool\n" in done.stdout
    assert done.stderr == ""

    again = shim(tmp_path, "radar", "--codex", str(codex), "--against", str(file), "--json")
    assert json.loads(again.stdout) == {
        "codex": "0.172.0",
        "compared_with": "0.172.0",
        "differences": [],
    }
    assert not (tmp_path / ".codex").exists()


@pytest.mark.parametrize(
    ("args", "message", "advice"),
    [
        ([], "Codex was not found on PATH", "codex-shim radar --npm latest"),
        (["--codex", "missing"], "missing does not exist", "--codex PATH"),
        (["--against", "0.150.0"], "'0.150.0' is no recorded version (0.133.0, 0.169.0, 0.171.0)", "--write FILE"),
        (["--against", "broken.json"], "broken.json is no contract: it is no JSON", "--write FILE"),
        (["--codex", "x", "--npm", "latest"], "--codex and --npm exclude each other", "radar --npm latest"),
        (["--npm", "latest"], "npm was not found on PATH", "Install Node.js"),
    ],
)  # fmt: skip
def test_error_says_what_to_type_next(
    args: list[str], message: str, advice: str, tmp_path: Path
) -> None:
    (tmp_path / "broken.json").write_text("{")
    done = shim(tmp_path, "radar", *args)
    assert done.returncode != 0
    first, second = done.stderr.splitlines()
    assert message in first
    assert advice in second


def test_codex_that_fails_is_an_error_with_its_reason(tmp_path: Path) -> None:
    done = shim(tmp_path, "radar", "--codex", str(fake_codex(tmp_path, "fails")))
    assert done.returncode == 1
    assert "printed no version" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_was_seen_is_shown(tmp_path: Path) -> None:
    done = shim(tmp_path, "radar", "--seen")
    assert (
        done.stdout == "Nothing was seen beyond the contracts of Codex 0.133.0, 0.169.0, 0.171.0.\n"
    )
    env = {"CODEX_SHIM_STATE_DIR": str(tmp_path / "state")}
    add_seen(env, [Unknown("tool", "function new", "", "codex_exec/0.172.0", 1_764_500_000.0)])
    done = shim(tmp_path, "radar", "--seen")
    assert "  Tools\n    function new  (codex_exec/0.172.0, 2025-11-30)\n" in done.stdout
    rows = json.loads(shim(tmp_path, "radar", "--seen", "--json").stdout)["seen"]
    assert [row["name"] for row in rows] == ["function new"]
    doctor = shim(tmp_path, "doctor").stdout
    assert "turns had 1 name that no tested version of Codex sends" in doctor
