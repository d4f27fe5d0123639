from __future__ import annotations

from pathlib import Path

from shim_cli.state.legacy_folders import FOLDER, legacy_folders
from tests.shim_cli.doctor.findings import put


def test_folder_is_found_from_a_subfolder_of_the_checkout(tmp_path: Path) -> None:
    put(tmp_path / "checkout" / FOLDER / "shim.pid", "1")
    inside = tmp_path / "checkout" / "src"
    inside.mkdir()

    assert legacy_folders(inside, None, tmp_path) == [tmp_path / "checkout" / FOLDER]


def test_folder_of_the_catalog_in_use_is_found(tmp_path: Path) -> None:
    catalog = put(tmp_path / "far" / FOLDER / "custom_model_catalog.json", "{}")

    assert legacy_folders(tmp_path, catalog, tmp_path) == [catalog.parent]
    assert legacy_folders(tmp_path, tmp_path / "other" / "catalog.json", tmp_path) == []


def test_settings_folder_is_not_a_legacy_folder(tmp_path: Path) -> None:
    put(tmp_path / FOLDER / "shim.log", "")
    put(tmp_path / "work" / FOLDER / "models.json", "[]")

    assert legacy_folders(tmp_path / "work", None, tmp_path) == []
