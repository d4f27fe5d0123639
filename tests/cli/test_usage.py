"""`codex-shim usage`, and the quota of `status`: what was used, in words, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import time
from pathlib import Path

import pytest

from addons.core.record import AttemptRecord
from addons.core.usage import Usage
from addons.origins.books import Books
from shim_cli.quota import quota_lines, rough
from tests.cli.run import shim
from tests.origins.records import turn


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A home in which four turns were recorded."""
    books = Books(tmp_path / "state" / "access.jsonl", tmp_path / "state" / "usage.sqlite")
    now = time.time()
    head = (
        (b"x-codex-primary-used-percent", b"42"),
        (b"x-codex-primary-window-minutes", b"300"),
        (b"x-codex-primary-reset-at", b"%d" % (now + 4230)),
    )
    plan = [AttemptRecord("u", "", "POST", 0.0, answer_headers=head)]
    for record in (
        turn(wire_body=b'{"input":["a","b"]}'),
        turn(wire_body=b'{"input":["a","c"]}'),
        turn(slug="gpt-5.5", route="chatgpt", attempts=plan),
        turn(slug="=odd", model="nobody-knows", usage=Usage(10, 0, 5, 0, 15), started=now - 90_000),
    ):
        record.started = record.started if record.slug == "=odd" else now
        books.note(record)
    books.close()
    return tmp_path


def test_a_table_with_bars_costs_breaks_and_quota(recorded: Path) -> None:
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


def test_json_and_csv_hold_the_same_totals(recorded: Path) -> None:
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


def test_a_span_leaves_out_what_was_before_it(recorded: Path) -> None:
    report = json.loads(shim(recorded, "usage", "--json", "--since", "24h").stdout)
    assert report["all"]["turns"] == 3


def test_a_rows_own_price_counts(recorded: Path) -> None:
    row = {"slug": "=odd", "model": "x", "base_url": "https://h.example/v1", "api_key": "k", "price": {"input": 1e5, "output": 1e5}}  # fmt: skip
    settings = recorded / "models.json"
    settings.write_text(json.dumps({"models": [row]}))
    done = shim(recorded, "usage", "--json", "--settings", str(settings))
    costs = {one["key"]: one["cost"] for one in json.loads(done.stdout)["totals"]}
    assert costs["=odd"] == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--since", "soon"], "neither a span nor a date"),
        (["--by", "mood"], "Use --by model, day, thread or route"),
    ],
)
def test_what_cannot_be_meant_is_told(recorded: Path, args: list[str], told: str) -> None:
    done = shim(recorded, "usage", *args)
    assert done.returncode == 1
    assert told in done.stderr


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
def test_an_empty_machine_has_used_nothing(tmp_path: Path, form: list[str]) -> None:
    done = shim(tmp_path, "usage", *form)
    assert (done.returncode, done.stderr) == (0, "")
    if not form:
        assert done.stdout == "No turn has been recorded yet.\n"
    assert not (tmp_path / "state").exists()


def test_a_ledger_that_is_none_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "usage.sqlite").write_bytes(b"nonsense" * 200)
    done = shim(tmp_path, "usage")
    assert done.returncode == 1
    assert "the ledger cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_quota_lines_take_what_answers_on_a_port_for_what_it_is() -> None:
    assert quota_lines("x", 0) == []
    assert quota_lines({"a": 3, "b": [1, {"used_percent": "x"}, {"used_percent": True}]}, 0) == []
    (line,) = quota_lines({"a\x1b": [{"name": "n", "used_percent": 5.0, "resets_at": 1}]}, 2)
    assert line.split() == ["quota", "a?", "n:", "5", "%", "used,", "has", "reset", "since"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (300, "5 min"), (4230, "1 h 10 min"), (18_000, "5 h"), (604_800, "7 d")],
)  # fmt: skip
def test_spans_are_rough(seconds: float, text: str) -> None:
    assert rough(seconds) == text
