"""Outputs that drop what they cannot write."""

from __future__ import annotations

import io
import os
import sys
from io import StringIO
from pathlib import Path

import click
import pytest

from shim_cli.console.outputs import PIECE_BYTES, LossyFile, drop_lost_output, echo

posix = pytest.mark.skipif(os.name != "posix", reason="pipes that can be polled")


@pytest.mark.parametrize(
    "text", ["plain", "caf\u00e9 \t", "\033[31mred\033[0m", "\033]0;title\a", ""]
)
def test_line_is_the_one_that_click_writes(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    for err in (False, True):
        click.echo(text, err=err)
        expected = capsys.readouterr()
        echo(text, err=err)
        assert capsys.readouterr() == expected


@pytest.mark.parametrize("encoding", ["ascii", "us-ascii", "utf-8"])
@pytest.mark.parametrize("text", ["plain", "\u00c4lpha \u6a21\u578b"])
def test_line_that_the_locale_cannot_encode_is_the_one_that_click_writes(
    text: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    for write in (click.echo, echo):
        file = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file, encoding))
        write(text)
        written.append(file.getvalue())
    assert written == [f"{text}\n".encode()] * 2


def test_file_gets_everything(tmp_path: Path) -> None:
    path, data = tmp_path / "out", b"x" * (3 * PIECE_BYTES + 1)
    with path.open("wb") as file:
        assert LossyFile(file.fileno()).write(data) == len(data)
    assert path.read_bytes() == data


@posix
def test_pipe_without_a_reader_takes_everything() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert LossyFile(writing).write(b"abc") == 3
    finally:
        os.close(writing)


@posix
def test_unread_pipe_loses_the_rest_and_continues_later() -> None:
    reading, writing = os.pipe()
    try:
        file, data = LossyFile(writing), b"x" * (1 << 20)
        assert file.write(data) == len(data)
        assert file.write(b"lost") == 4
        kept = os.read(reading, len(data))
        assert len(kept) < len(data)
        file.write(b"seen")
        assert os.read(reading, len(data)).endswith(b"seen")
    finally:
        os.close(reading)
        os.close(writing)


def test_stream_that_is_no_file_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = StringIO()
    monkeypatch.setattr(sys, "stdout", kept)
    monkeypatch.setattr(sys, "stderr", kept)
    drop_lost_output()
    assert sys.stdout is sys.stderr is kept
