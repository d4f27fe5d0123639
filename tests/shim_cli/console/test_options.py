from __future__ import annotations

from pathlib import Path

import pytest

from tests.shim_cli.run import shim


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["status", "--port", "0"], "0 is not between 1 and 65535"),
        (["serve", "--port", "-1"], "-1 is not between 0 and 65535"),
        (["status", "--port", "many"], "'many' is not a number."),
    ],
)
def test_port_range_is_checked(tmp_path: Path, args: list[str], message: str) -> None:
    ran = shim(tmp_path, *args)
    assert ran.returncode == 2
    assert message in ran.stderr


def test_port_comes_from_the_environment_unless_given(tmp_path: Path) -> None:
    env = {"CODEX_SHIM_PORT": "1"}
    assert "http://127.0.0.1:1\n" in shim(tmp_path, "status", env=env).stdout
    assert "http://127.0.0.1:9\n" in shim(tmp_path, "status", "--port", "9", env=env).stdout
