"""The archive of a thread in Chromium's own importer of HAR files, the one of its network panel."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shim_cli.report.har import write_har
from tests.core.cassette.turns import DONE, file_of, turn
from tests.support.chromium import chromium

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

PANEL = "devtools://devtools/bundled/devtools_app.html"
IMPORT = """(async () => {
  const har = await import('devtools://devtools/bundled/models/har/har.js');
  const log = new har.HARFormat.HARRoot(ARCHIVE).log;
  const found = har.Importer.Importer.requestsFromHARLog(log);
  return found.map((one) => ({
    url: one.url(), status: one.statusCode, started: one.startTime, ended: one.endTime,
    waited: one.timing.receiveHeadersEnd, frames: one.frames().map((frame) => [frame.type, frame.time, frame.text]),
  }));
})()"""


def test_network_panel_imports_turns_with_their_times(tmp_path: Path) -> None:
    first = replace(turn(), started=1_796_000_000.5)
    parts = ((0.25, "event: a\ndata: {}\n\n"), (1.5, DONE))
    first = replace(first, answer=replace(first.answer, parts=parts))
    second = replace(first, started=1_796_000_003.5, request=replace(first.request, transport="websocket"))  # fmt: skip
    source, output = tmp_path / "turns.jsonl", tmp_path / "turns.har"
    source.write_bytes(file_of(first, second))
    write_har({"HOME": str(tmp_path)}, "last", source, output)

    async def imported() -> list[dict[str, Any]]:
        async with chromium() as page:
            await page.go(PANEL)
            await page.wait_for(f"location.href === {json.dumps(PANEL)}")
            found: list[dict[str, Any]] = await page.evaluate_async(
                IMPORT.replace("ARCHIVE", output.read_text())
            )
            return found

    http, socket = asyncio.run(imported())
    assert http["url"] == "http://127.0.0.1:8765/v1/responses"
    assert (http["status"], http["waited"], http["frames"]) == (200, 250, [])
    assert (http["started"], http["ended"]) == (1_796_000_000.5, 1_796_000_002.0)
    assert [(kind, at) for kind, at, _ in socket["frames"]] == [
        ("send", 1_796_000_003.5),
        ("receive", 1_796_000_003.75),
        ("receive", 1_796_000_005.0),
    ]
    assert socket["frames"][1][2] == "{}"
