from __future__ import annotations

from pathlib import Path

from shim_cli.older_shims import FOLDER, older_folders
from tests.cli.doctor.looking import put


def test_a_folder_with_their_files_is_found_from_anywhere_in_the_checkout(tmp_path: Path) -> None:
    put(tmp_path / "checkout" / FOLDER / "shim.pid", "1")
    inside = tmp_path / "checkout" / "src"
    inside.mkdir()

    assert older_folders(inside, None, tmp_path) == [tmp_path / "checkout" / FOLDER]


def test_the_folder_that_codex_reads_is_found_wherever_it_is(tmp_path: Path) -> None:
    catalog = put(tmp_path / "far" / FOLDER / "custom_model_catalog.json", "{}")

    assert older_folders(tmp_path, catalog, tmp_path) == [catalog.parent]
    assert older_folders(tmp_path, tmp_path / "other" / "catalog.json", tmp_path) == []


def test_our_settings_folder_and_one_without_traces_are_none(tmp_path: Path) -> None:
    put(tmp_path / FOLDER / "shim.log", "")
    put(tmp_path / "work" / FOLDER / "models.json", "[]")

    assert older_folders(tmp_path / "work", None, tmp_path) == []
