"""`codex-shim usage` as text, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import time
from pathlib import Path

import pytest

from addons.adapters.ledger.turn_log import TurnLogWriter
from addons.core.telemetry.record import AttemptRecord
from addons.core.usage import Usage
from shim_cli.usage.command import MAX_LINES
from tests.adapters.records import turn
from tests.shim_cli.run import shim


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A home with four recorded turns."""
    writer = TurnLogWriter(tmp_path / "state" / "access.jsonl", tmp_path / "state" / "usage.sqlite")
    now = time.time()
    head = (
        (b"x-codex-primary-used-percent", b"42"),
        (b"x-codex-primary-window-minutes", b"300"),
        (b"x-codex-primary-reset-at", b"%d" % (now + 4230)),
    )
    plan = [AttemptRecord("u", "", "POST", 0.0, answer_headers=head)]
    for record in (
        turn(upstream_body=b'{"input":["a","b"]}'),
        turn(upstream_body=b'{"input":["a","c"]}'),
        turn(slug="gpt-5.5", route="chatgpt", attempts=plan),
        turn(slug="=odd", model="nobody-knows", usage=Usage(10, 0, 5, 0, 15), started=now - 90_000),
    ):
        record.started = record.started if record.slug == "=odd" else now
        writer.note(record)
    writer.close()
    return tmp_path


def test_text_report_has_bars_costs_breaks_and_quota(recorded: Path) -> None:
    done = shim(recorded, "usage")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0] == "model turns input cached output cost"
    assert lines[1].startswith("row 2 2k 90% 100 $0.0015 █████")
    assert lines[2].startswith("gpt-5.5 1 1k 90% 50 plan █████")
    assert lines[3] == "=odd 1 10 0% 5 unknown"
    assert lines[4] == "all 4 3k 90% 155 > $0.0015"
    assert "thread t1, row: the prompt changed at input[1]" in done.stdout
    assert "quota chatgpt primary: 42 % used of 5 h, resets in 1 h 10 min" in " ".join(lines)


def test_json_and_csv_have_the_same_totals(recorded: Path) -> None:
    report = json.loads(shim(recorded, "usage", "--json", "--by", "route").stdout)
    assert {one["key"]: one["input"] for one in report["totals"]} == {
        "openai": 2010,
        "chatgpt": 1000,
    }
    assert report["all"]["turns"] == 4
    assert report["all"]["cost"] == pytest.approx(2 * 0.00073750, rel=0.05)
    assert {one["key"]: one["cost"] for one in report["totals"]}["chatgpt"] is None
    assert report["quota"]["chatgpt"][0]["used_percent"] == 42
    rows = list(csv.DictReader(io.StringIO(shim(recorded, "usage", "--csv").stdout)))
    assert sum(int(row["input"]) for row in rows) == report["all"]["input"]
    assert "'=odd" in {row["model"] for row in rows}


def test_since_limits_the_period(recorded: Path) -> None:
    report = json.loads(shim(recorded, "usage", "--json", "--since", "24h").stdout)
    assert report["all"]["turns"] == 3


def test_price_of_a_row_is_used(recorded: Path) -> None:
    row = {"slug": "=odd", "model": "x", "base_url": "https://h.example/v1", "api_key": "k", "price": {"input": 1e5, "output": 1e5}}  # fmt: skip
    settings = recorded / "models.json"
    settings.write_text(json.dumps({"models": [row]}))
    done = shim(recorded, "usage", "--json", "--settings", str(settings))
    costs = {one["key"]: one["cost"] for one in json.loads(done.stdout)["totals"]}
    assert costs["=odd"] == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--since", "soon"], "neither a period nor a date"),
        (["--since", "5x"], "neither a period nor a date"),
        (
            ["--by", "mood"],
            "'mood' is not one of 'model', 'day', 'hour', 'thread', 'route', 'agent', 'turn'",
        ),
    ],
)
def test_invalid_options_are_errors(recorded: Path, args: list[str], expected: str) -> None:
    done = shim(recorded, "usage", *args)
    assert done.returncode == 2
    assert expected in done.stderr


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
def test_missing_ledger_is_an_empty_report(tmp_path: Path, form: list[str]) -> None:
    done = shim(tmp_path, "usage", *form)
    assert (done.returncode, done.stderr) == (0, "")
    if not form:
        assert done.stdout == "No turn has been recorded yet.\n"
    if form == ["--csv"]:
        assert done.stdout.startswith("model,turns,")
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("report", [(), ("--quota",)])
@pytest.mark.parametrize("kind", ["damaged", "a folder"])
def test_unreadable_ledger_is_an_error(tmp_path: Path, kind: str, report: tuple[str, ...]) -> None:
    ledger = tmp_path / "state" / "usage.sqlite"
    if kind == "a folder":
        ledger.mkdir(parents=True)
    else:
        ledger.parent.mkdir()
        ledger.write_bytes(b"nonsense" * 200)
    done = shim(tmp_path, "usage", *report)
    assert done.returncode == 1
    assert "the ledger cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_table_of_many_threads_is_short_and_the_export_is_whole(tmp_path: Path) -> None:
    writer = TurnLogWriter(tmp_path / "state" / "access.jsonl", tmp_path / "state" / "usage.sqlite")
    for number in range(MAX_LINES + 2):
        record = turn(thread=f"thread-{number}", started=time.time())
        writer.note(record)
    writer.close()

    text = shim(tmp_path, "usage", "--by", "thread").stdout
    report = json.loads(shim(tmp_path, "usage", "--by", "thread", "--json").stdout)

    assert sum(line.startswith("thread-") for line in text.splitlines()) == MAX_LINES
    assert "2 threads more are in `all`. List them: --json or --csv" in text
    assert len(report["totals"]) == MAX_LINES + 2


def test_note_about_one_turn_is_singular(tmp_path: Path) -> None:
    writer = TurnLogWriter(tmp_path / "state" / "access.jsonl", tmp_path / "state" / "usage.sqlite")
    writer.note(turn(usage=None, status=500, terminal="", started=time.time()))
    writer.close()

    text = shim(tmp_path, "usage").stdout

    assert "1 turn failed or was aborted." in text
    assert "1 turn reported no usage." in text
