"""The built-in model on a machine without login, settings or state."""

from __future__ import annotations

import pytest

from tests.e2e.codex_cli import CodexHome
from tests.e2e.conftest import StartShim

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(120),
    pytest.mark.usefixtures("each_transport"),
]


def test_demo_runs_a_real_tool_call_on_an_empty_home(
    user: CodexHome, start_shim: StartShim
) -> None:
    (user.workspace / "marker-7f3a.txt").touch()
    shim = start_shim()
    user.configure(f"http://127.0.0.1:{shim.port}/v1", "shim-demo")

    run = user.exec("show me what you can do")

    assert run.code == 0, run.stderr
    (command,) = run.items_of("command_execution")
    assert "ls -la" in str(command["command"])
    assert "marker-7f3a.txt" in str(command["aggregated_output"])
    assert "marker-7f3a.txt" in run.messages[-1]
