"""Reading a cassette, and the pauses of its parts."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from addons.adapters.cassette.replay import paced, read_cassette
from addons.core.cassette.format import CassetteError
from tests.core.cassette.turns import file_of, turn


def test_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(file_of(turn()))
    assert read_cassette(tmp_path / "a.jsonl").turns == (turn(),)


def test_problem_is_named_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"{}")
    for name, reason in (("bad", ", line 1, field"), ("none", " cannot be read: No such file")):
        with pytest.raises(CassetteError, match=re.escape(f"{tmp_path / name}{reason}")):
            read_cassette(tmp_path / name)


class Written:
    def __init__(self) -> None:
        self.data: list[bytes] = []

    async def write(self, data: bytes) -> None:
        self.data.append(data)


async def test_pauses_are_divided_by_the_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    parts, sink = ((0.0, "a"), (100.0, "b"), (200.0, "c")), Written()
    await paced(parts, 2.0)(sink)
    assert pauses == [pytest.approx(50, abs=2), pytest.approx(100, abs=2)]
    await paced(parts, 0)(sink)
    assert len(pauses) == 2
    assert b"".join(sink.data) == b"abcabc"
