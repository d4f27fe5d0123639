"""Reports from the ledger: totals, breaks, rate-limit windows, recent turns."""

from __future__ import annotations

import contextlib
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import cast

import orjson
import pytest

from addons.adapters.ledger.reader import By
from addons.adapters.ledger.turn_log import Entry, Ledger
from addons.adapters.ledger.usage_report import (
    Total,
    plain,
    read_attempts,
    read_breaks,
    read_quotas,
    read_recent,
    read_totals,
    shipped_prices,
    sum_totals,
)
from addons.core.settings.row import ModelRow
from addons.core.telemetry.prices import Price
from addons.core.telemetry.record import AttemptRecord, TurnRecord
from addons.core.usage import Usage, Window
from tests.adapters.ledger.conftest import Write
from tests.adapters.records import turn

NEXT_DAY = 1_800_090_000.0
PRICES = shipped_prices()


def turns() -> list[TurnRecord]:
    return [
        turn(),
        turn(
            slug="free", agent="review", route="chatgpt", thread="t2", usage=Usage(10, 0, 5, 0, 15)
        ),
        turn(slug="odd", model="unknown-model", usage=Usage(7, 0, 3, 0, 10), started=NEXT_DAY),
        turn(usage=None, status=502, terminal="", error="x"),
    ]


@pytest.mark.parametrize(
    ("by", "counts"),
    [
        ("model", {"row": 2, "free": 1, "odd": 1}),
        ("route", {"openai": 3, "chatgpt": 1}),
        ("thread", {"t1": 3, "t2": 1}),
        ("agent", {"user": 3, "review": 1}),
    ],
)
def test_every_turn_is_counted_once_under_its_key(
    write: Write, ledger: Path, by: By, counts: dict[str, int]
) -> None:
    write(*turns())
    totals = read_totals(ledger, 0, by, PRICES)
    assert {total.key: total.turns for total in totals} == counts
    assert totals == sorted(totals, key=lambda total: -total.input - total.output)


def test_ledger_of_version_1_has_no_agents(write: Write, ledger: Path) -> None:
    write(*turns())
    with contextlib.closing(sqlite3.connect(ledger)) as db:
        db.execute("ALTER TABLE turns DROP COLUMN agent")
    assert [(one.key, one.turns) for one in read_totals(ledger, 0, "agent", PRICES)] == [("", 4)]
    newer = Ledger(ledger, NEXT_DAY)
    newer.write([Entry(turn(agent="memories"), "", ())])
    newer.close()
    totals = read_totals(ledger, 0, "agent", PRICES)
    assert {one.key: one.turns for one in totals} == {"": 4, "memories": 1}


@pytest.mark.parametrize("by", ["day", "hour"])
def test_days_and_hours_are_in_order(write: Write, ledger: Path, by: By) -> None:
    write(*reversed(turns()))
    totals = read_totals(ledger, 0, by, PRICES)
    assert [total.turns for total in totals] == [3, 1]
    assert totals[0].key < totals[1].key


def test_total_has_tokens_failures_and_cost(write: Write, ledger: Path) -> None:
    write(*turns())
    totals = {total.key: total for total in read_totals(ledger, 0, "model", PRICES)}
    row = totals["row"]
    assert (row.input, row.cached, row.cache_written, row.output) == (1000, 900, 20, 50)
    assert (row.failed, row.uncounted, row.unpriced) == (1, 1, 1)
    assert row.cost == pytest.approx((80 * 1.25 + 900 * 0.125 + 20 * 1.25 + 50 * 10) / 1e6)
    assert row.cached_share == 0.9
    assert (totals["free"].on_plan, totals["free"].cost) == (1, 0)
    assert (totals["odd"].unpriced, totals["odd"].cost) == (1, 0)
    assert sum_totals(totals.values()).input == 1017


def test_earlier_turns_are_not_counted(write: Write, ledger: Path) -> None:
    write(*turns())
    assert [total.key for total in read_totals(ledger, NEXT_DAY, "model", PRICES)] == ["odd"]


def test_newest_breaks_come_first(write: Write, ledger: Path) -> None:
    bodies = [orjson.dumps({"input": ["a", text]}) for text in ("b", "c", "d")]
    write(*(turn(upstream_body=body, started=1000.0 + n) for n, body in enumerate(bodies)))
    assert [(one.at, one.thread, one.slug, one.where) for one in read_breaks(ledger, 0)] == [
        (1002.0, "t1", "row", "input[1]"),
        (1001.0, "t1", "row", "input[1]"),
    ]
    assert len(read_breaks(ledger, 1002.0)) == 1
    assert len(read_breaks(ledger, 0, limit=1)) == 1


def test_windows_are_read_by_route(write: Write, ledger: Path) -> None:
    event = {"rate_limits": {"primary": {"used_percent": 9, "window_minutes": 300}}}
    write(turn(route="chatgpt", rate_limits=event))
    assert read_quotas(ledger) == {"chatgpt": [Window("primary", 9.0, 300)]}


def test_recent_turns_are_the_newest_oldest_first(write: Write, ledger: Path) -> None:
    write(*(turn(slug=slug) for slug in "abc"), turn(slug="d", status=500))
    recent = read_recent(ledger, 2)
    assert [(one["slug"], one["ok"]) for one in recent] == [("c", True), ("d", False)]
    assert (recent[0]["input"], recent[0]["ttft"]) == (1000, 0.5)
    assert (recent[1]["id"], recent[1]["thread"], recent[1]["status"]) == ("f1", "t1", 500)
    assert recent[1]["attempts"] == 1


def test_attempts_are_those_of_the_access_log(write: Write, access_log: Path) -> None:
    tried = turn(id="f2", attempts=[AttemptRecord("http://a", "", "POST", 0.0, outcome="connect")])
    write(turn(), tried)
    with access_log.open("ab") as file:
        file.write(b'not json\n{"no": "turn"}\n7\n{"id": "half')
    found = read_attempts(access_log)
    assert found["f2"] == [{"url": "http://a", "reason": "", "outcome": "connect", "seconds": 0.0}]
    assert set(found) == {"f1", "f2"}


def test_attempts_are_read_from_the_end_of_a_long_log(access_log: Path) -> None:
    access_log.parent.mkdir()
    lines = (b'{"id": "%d", "attempts": []}\n' % number for number in range(40_000))
    access_log.write_bytes(b"".join(lines))
    found = read_attempts(access_log)
    assert "39999" in found
    assert "0" not in found


def test_request_for_an_unknown_model_is_no_turn(write: Write, ledger: Path) -> None:
    unknown = turn(slug="mistyped", row="", route="", model="", status=404, usage=None)
    write(turn(), unknown)
    with closing(sqlite3.connect(ledger)) as db, db:
        assert db.execute("SELECT slug FROM turns").fetchall() == [("row",)]
        # as earlier versions recorded it
        db.execute("INSERT INTO turns SELECT 9, at, flow, thread, 'mistyped', '', '', 404, 0, '', '', '', 0, NULL, 0, "
                   "NULL, NULL, NULL, NULL, NULL, 0, 0, '', '', '', '' FROM turns")  # fmt: skip
    assert [total.key for total in read_totals(ledger, 0, "model", PRICES)] == ["row"]
    assert [one["slug"] for one in read_recent(ledger, 5)] == ["row"]


@pytest.mark.parametrize("read", [read_quotas, lambda path: read_recent(path, 5)])
def test_missing_ledger_raises(ledger: Path, read: Write) -> None:
    with pytest.raises(sqlite3.Error):
        read(ledger)


def test_json_of_a_total_has_null_for_an_unknown_cost() -> None:
    priced, unknown = Total("a", turns=2, cost=0.5, unpriced=1, input=4, cached=1), Total("b", 1)
    unknown.unpriced = 1
    assert (plain(priced)["cost"], plain(priced)["cached_share"]) == (0.5, 0.25)
    assert (plain(unknown)["cost"], plain(unknown)["cached_share"]) == (None, None)


def test_json_and_text_make_one_percentage_of_a_share() -> None:
    total = Total("a", input=100_000, cached=13_499)
    assert total.cached_share == plain(total)["cached_share"] == 0.135


def test_price_of_a_row_overrides_the_shipped_table() -> None:
    row = cast("ModelRow", type("Row", (), {"slug": "mine", "price": Price(1.0, 2.0)}))
    assert shipped_prices([row]).find("mine", "gpt-5") == Price(1.0, 2.0)
    assert PRICES.find("mine", "gpt-5") == PRICES.models["gpt-5"]
