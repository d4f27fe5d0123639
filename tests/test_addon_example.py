"""docs/examples/turn_log.py works together with codex-shim in the stock mitmdump, live and on a saved flow file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from mitmproxy.test import tflow

from docs.examples.turn_log import TurnLog
from shim_cli.commands.mitmproxy_tools import addon_file
from tests.shim_cli.run import environment
from tests.shim_cli.served import ForkedShim
from tests.support.codex_client import Posted, request

EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "turn_log.py"
MITMDUMP = Path(sys.executable).with_name("mitmdump")
ANSWERED = "turn: shim-demo -> demo/shim-demo, response.completed, "


class StockMitmdump(ForkedShim):
    """mitmdump with the shim and the example as two scripts."""

    def __init__(self, home: Path) -> None:
        super().__init__(environment(home), home / "log")
        self.flows = home / "turns.mitm"
        mode = f"reverse:http://127.0.0.1:9@127.0.0.1:{self.port}"
        scripts = ["-s", str(addon_file()), "-s", str(EXAMPLE)]
        self._command = [str(MITMDUMP), *scripts, "--mode", mode, "-w", str(self.flows)]


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if "turn: " in line]


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_each_turn_is_logged_once_live_and_from_the_flow_file(tmp_path: Path) -> None:
    with StockMitmdump(tmp_path) as running:
        Posted(running.port, request("shim-demo")).ended()
        Posted(running.port, request("no-such-model")).ended()
        running.get("/health")
    live = lines_of(running.output)
    read = subprocess.run(
        [str(MITMDUMP), "-n", "-r", str(running.flows), "-s", str(EXAMPLE)],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    assert [ANSWERED in line for line in live] == [True, False]
    assert [line.partition("turn: ")[2] for line in lines_of(read.stdout)] == [
        line.partition("turn: ")[2] for line in live
    ]


def test_flow_without_a_record_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    TurnLog().response(tflow.tflow(resp=True))
    assert caplog.messages == []
