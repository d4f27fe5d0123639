"""`codex-shim usage --quota` as text and JSON."""

from __future__ import annotations

import json
import re
import time
from datetime import datetime
from pathlib import Path

import pytest

from addons.core.telemetry.quota_shares import Forecast, Share
from shim_cli.usage.command import MAX_LINES
from shim_cli.usage.quota import NOTHING, ending, share_text
from tests.shim_cli.run import shim
from tests.shim_cli.usage.quotas import write_quota_turns

NOW = datetime(2026, 11, 30, 12, 0).astimezone().timestamp()
HOUR = 3600.0


@pytest.mark.parametrize(
    ("used", "forecast", "text"),
    [
        (50, Forecast(10, NOW + 4.7 * HOUR), "empty at about 16:42"),
        (50, Forecast(1, NOW + 24 * HOUR), "empty at about Tue 12:00"),
        (50, Forecast(1, None), "lasts until the reset"),
        (100, Forecast(0, NOW - HOUR), "used up until the reset"),
    ],
)
def test_end_of_a_window_is_a_time_or_the_reset(used: float, forecast: Forecast, text: str) -> None:
    assert ending(used, forecast, NOW) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(Share(5, 5), "5 %"), (Share(0, 1.25), "0-1.2 %"), (Share(0.04, 0.0401), "0 %")],
)
def test_share_is_a_figure_or_a_range(share: Share, text: str) -> None:
    assert share_text(share) == text


def test_text_has_each_window_with_rate_and_shares(tmp_path: Path) -> None:
    write_quota_turns(tmp_path / "state", time.time())
    done = shim(tmp_path, "usage", "--quota", "--by", "thread")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0] == "ChatGPT, primary window of 5 h: 42.5 % used, resets in 2 h"
    assert re.fullmatch(r"(40|39\.\d) % per hour: empty at about \d\d:\d\d", lines[1])
    assert lines[2:] == ["t2 12 %", "t1 8 %", "before the first of these turns 22.5 %"]


def test_json_has_the_same_shares(tmp_path: Path) -> None:
    now = time.time()
    write_quota_turns(tmp_path / "state", now)
    done = shim(tmp_path, "usage", "--quota", "--by", "thread", "--json")
    report = json.loads(done.stdout)
    (window,) = report["windows"]
    assert (report["by"], report["since"]) == ("thread", None)
    assert (window["route"], window["name"], window["minutes"]) == ("chatgpt", "primary", 300)
    assert (window["used_percent"], window["before"], window["total"]) == (42.5, 22.5, 20.0)
    assert window["shares"] == [
        {"key": "t2", "low": 12.0, "high": 12.0},
        {"key": "t1", "low": 8.0, "high": 8.0},
    ]
    assert window["elsewhere"] is None
    assert window["percent_per_hour"] == pytest.approx(40, rel=0.05)
    assert window["empty_at"] == pytest.approx(now + 57.5 / 40 * HOUR, abs=300)


def test_since_counts_the_turns_of_this_time(tmp_path: Path) -> None:
    write_quota_turns(tmp_path / "state", time.time())
    report = json.loads(shim(tmp_path, "usage", "--quota", "--json", "--since", "20m").stdout)
    (window,) = report["windows"]
    assert (window["before"], window["total"]) == (30.5, 12.0)
    wrong = shim(tmp_path, "usage", "--quota", "--since", "soon")
    assert (wrong.returncode, "neither a period nor a date" in wrong.stderr) == (2, True)


def test_text_is_short_and_json_is_whole(tmp_path: Path) -> None:
    write_quota_turns(tmp_path / "state", time.time(), threads=MAX_LINES + 3)
    text = shim(tmp_path, "usage", "--quota", "--by", "thread").stdout
    report = json.loads(shim(tmp_path, "usage", "--quota", "--by", "thread", "--json").stdout)
    assert "2 threads more. List them: --json" in text
    assert len(report["windows"][0]["shares"]) == MAX_LINES + 2, "the last turn is not counted yet"


@pytest.mark.parametrize("exists", [True, False])
def test_nothing_reported_is_said(tmp_path: Path, *, exists: bool) -> None:
    if exists:
        write_quota_turns(tmp_path / "state", time.time(), threads=0)
    assert shim(tmp_path, "usage", "--quota").stdout == f"{NOTHING}\n"
    empty = json.loads(shim(tmp_path, "usage", "--quota", "--json").stdout)
    assert empty == {"by": "model", "since": None, "windows": []}


def test_damaged_ledger_and_csv_are_errors(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "usage.sqlite").write_bytes(b"nonsense" * 200)
    done = shim(tmp_path, "usage", "--quota")
    assert (done.returncode, "the ledger cannot be read" in done.stderr) == (1, True)
    done = shim(tmp_path, "usage", "--quota", "--csv")
    assert (done.returncode, "cannot be written as CSV" in done.stderr) == (2, True)
