"""A turn log in a temporary state folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from addons.adapters.ledger.turn_log import TurnLogWriter
from addons.core.telemetry.record import TurnRecord

Write = Callable[..., None]


@pytest.fixture
def access_log(tmp_path: Path) -> Path:
    return tmp_path / "state" / "access.jsonl"


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "state" / "usage.sqlite"


@pytest.fixture
def writer(access_log: Path, ledger: Path) -> Iterator[TurnLogWriter]:
    made = TurnLogWriter(access_log, ledger)
    yield made
    made.close()


@pytest.fixture
def write(writer: TurnLogWriter) -> Write:
    """A function that writes these turns and closes the writer."""

    def write_all(*records: TurnRecord) -> None:
        for record in records:
            writer.note(record)
        writer.close()

    return write_all
