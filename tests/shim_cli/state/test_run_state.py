"""The record of a running shim. An invalid pid must not reach another process."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from shim_cli.state import daemon
from shim_cli.state.run_state import RunState, read_state, state_file, write_state

STATE = RunState(os.getpid(), 8765, "1", 1.5, "0.1.0", detached=True, log="/x")


def env_of(folder: Path) -> dict[str, str]:
    return {"CODEX_SHIM_STATE_DIR": str(folder)}


def test_record_round_trip(tmp_path: Path) -> None:
    assert write_state(env_of(tmp_path), STATE) == ""
    assert read_state(env_of(tmp_path), 8765) == STATE


@pytest.mark.parametrize(
    "wrong",
    [
        {"pid": 0}, {"pid": -1}, {"pid": "1"}, {"pid": None}, {"pid": 1.5}, {"port": "x"},
        {"start_mark": 7}, {"drain_seconds": "long"}, {"drain_seconds": -1}, {"more": 1},
    ],
)  # fmt: skip
def test_invalid_record_stops_no_process(
    tmp_path: Path, wrong: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = state_file(env_of(tmp_path), 9)
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({**asdict(STATE), **wrong}))
    ended: list[int] = []
    monkeypatch.setattr(daemon, "terminate", ended.append)
    assert read_state(env_of(tmp_path), 9) is None
    assert daemon.stop_daemon(env_of(tmp_path), 9) == ""
    assert ended == []
