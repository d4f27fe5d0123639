from __future__ import annotations

import os
from pathlib import Path

import pytest

from shim_cli.console.errors import CliError
from shim_cli.state.models_edit import ModelsFile

TEXT = '[{"model": "a", "provider": "ollama"}]'


def test_added_rows_have_their_slugs(tmp_path: Path) -> None:
    file = ModelsFile(tmp_path / "new" / "models.json")

    rows = [{"model": "Org/M.1", "provider": "ollama"}, {"model": "b", "slug": "two", "provider": "vllm"}]  # fmt: skip

    assert file.add(rows) == ["org-m-1", "two"]
    assert file.slugs() == ["org-m-1", "two"]


def test_row_that_would_not_work_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    path.write_text(TEXT)

    with pytest.raises(CliError, match="the row would not work"):
        ModelsFile(path).add([{"model": "x", "provider": "no-such-provider"}])

    assert path.read_text() == TEXT


@pytest.mark.skipif(os.name != "posix", reason="modes")
def test_mode_of_the_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    path.write_text(TEXT)
    path.chmod(0o640)

    ModelsFile(path).add([{"model": "x", "provider": "ollama"}])

    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("data", [b"{", b"\xff", b'{"models": {}}'])
def test_unreadable_file_is_an_error_that_names_it(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "models.json"
    path.write_bytes(data)

    with pytest.raises(CliError, match=r"models\.json"):
        ModelsFile(path).add([{"model": "x", "provider": "ollama"}])

    assert path.read_bytes() == data
