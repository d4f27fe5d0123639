from __future__ import annotations

from pathlib import Path

import pytest

from shim_cli.console.errors import CliError
from shim_cli.console.settings_file import require_settings_file


def test_settings_file_must_exist(tmp_path: Path) -> None:
    file = tmp_path / "models.json"
    file.touch()
    require_settings_file(file)
    require_settings_file(None)
    for missing in (tmp_path, tmp_path / "none.json"):
        with pytest.raises(CliError, match="does not exist or is not a file"):
            require_settings_file(missing)
