from __future__ import annotations

from pathlib import Path

import pytest

from shim_cli.console.errors import CliError
from shim_cli.console.options import require_settings_file
from tests.shim_cli.run import shim


def test_settings_file_must_exist(tmp_path: Path) -> None:
    file = tmp_path / "models.json"
    file.touch()
    require_settings_file(file)
    require_settings_file(None)
    for missing in (tmp_path, tmp_path / "none.json"):
        with pytest.raises(CliError, match="does not exist or is not a file"):
            require_settings_file(missing)


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
