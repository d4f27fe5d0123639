"""The file of a cassette while it is written."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from addons.adapters.cassette.replay import read_cassette
from addons.adapters.cassette.writer import CassetteWriter
from tests.core.cassette.test_recording import finished
from tests.core.cassette.turns import DONE


def test_turns_are_written_to_a_private_file(tmp_path: Path) -> None:
    os.umask(0o022)
    writer = CassetteWriter(tmp_path / "a.jsonl")
    for _ in range(3):
        writer.note(finished((0.1, DONE.encode())))
    writer.close()
    assert stat.S_IMODE((tmp_path / "a.jsonl").stat().st_mode) == 0o600
    assert len(read_cassette(tmp_path / "a.jsonl").turns) == writer.turns == 3
    assert writer.is_new("m")
    assert not writer.is_new("m")


def test_existing_file_and_symlink_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("a.jsonl", "link"):
        with pytest.raises(FileExistsError):
            CassetteWriter(tmp_path / name)
    assert (tmp_path / "a.jsonl").read_text() == "mine"
    assert not (tmp_path / "elsewhere").exists()


def test_turns_that_wait_are_bounded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    writer = CassetteWriter(tmp_path / "a.jsonl", limit=100)
    writer.note(finished((0.1, b"x" * 101)))
    writer.close()
    assert (writer.turns, writer.dropped) == (0, 1)
    assert "more turns wait than fit into memory" in caplog.text


def test_full_disk_leaves_a_readable_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    writer = CassetteWriter(tmp_path / "a.jsonl")
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) > 20:
            return write(descriptor, data[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("addons.adapters.cassette.writer.os.write", full)
    writer.note(finished((0.1, DONE.encode())))
    writer.close()
    monkeypatch.undo()
    assert read_cassette(tmp_path / "a.jsonl").turns == ()
    assert "No space left on device" in caplog.text
