"""The texts of pictures on disk."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from addons.adapters.vision import store
from addons.adapters.vision.store import PictureTexts, pictures_file


def test_texts_outlast_the_process_and_the_first_one_stays(tmp_path: Path) -> None:
    path = pictures_file({"CODEX_SHIM_STATE_DIR": str(tmp_path / "state")})
    first = PictureTexts(path)
    assert (first.keep("d1", "a cat"), first.keep("d1", "a dog")) == ("a cat", "a cat")
    first.keep_failure(("d2", "t1", 1), "a note")
    again = PictureTexts(path)
    assert again.descriptions(["d1", "d2", "d3"]) == {"d1": "a cat"}
    assert again.failures() == {("d2", "t1", 1): "a note"}
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_file_keeps_the_newest_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_TEXTS", 3)
    texts = PictureTexts(tmp_path / "p.sqlite")
    for number in range(5):
        texts.keep(f"d{number}", "x")
    assert sorted(texts.descriptions([f"d{n}" for n in range(5)])) == ["d2", "d3", "d4"]


def test_file_that_is_no_database_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "p.sqlite"
    path.write_bytes(b"no database at all, but long enough to be read as one" * 40)
    assert PictureTexts(path).keep("d", "x") == "x"
    assert PictureTexts(path).descriptions(["d"]) == {"d": "x"}
    assert (tmp_path / "p.sqlite.broken").read_bytes().startswith(b"no database")


def test_unusable_file_is_left_alone_for_a_while(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "p.sqlite").mkdir()
    texts = PictureTexts(tmp_path / "p.sqlite")
    assert texts.keep("d", "x") == "x"
    assert texts.descriptions(["d"]) == {}
    assert texts.failures() == {}
    texts.keep_failure(("d", "t", 0), "x")
    assert len(caplog.records) == 1
    assert "p.sqlite cannot be used: Is a directory" in caplog.text


def test_symlink_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(target)) as db:
        db.execute("CREATE TABLE own (x)")
    (tmp_path / "p.sqlite").symlink_to(target)
    PictureTexts(tmp_path / "p.sqlite").keep("d", "x")
    with closing(sqlite3.connect(target)) as db:
        assert [name for (name,) in db.execute("SELECT name FROM sqlite_master")] == ["own"]
