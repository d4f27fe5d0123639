"""How many files of the product one turn executes: a reader of its life has to open each of them."""

from __future__ import annotations

from pathlib import Path

from scripts.turn_files import MAX_FILES, measure


async def test_turn_executes_no_more_files_than_are_allowed(tmp_path: Path) -> None:
    found = await measure(tmp_path)
    assert found.keys() == MAX_FILES.keys()
    for protocol, files in found.items():
        assert len(files) <= MAX_FILES[protocol], f"{protocol}: {sorted(files)}"
