"""One thread in the ledger: its last turn, tokens and share of a window."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from addons.adapters.ledger.thread_use import read_thread_use
from addons.core.codex.threads import WHAT_IF
from addons.core.telemetry.quota_shares import Share
from tests.adapters.ledger.conftest import Write
from tests.adapters.records import turn
from tests.shim_cli.usage.quotas import write_quota_turns

TOKENS = {"input": 2000, "cached": 1800, "cache_written": 40, "output": 100}


def test_tokens_of_a_thread_are_grouped_by_what_they_cost(write: Write, ledger: Path) -> None:
    write(turn(), turn(usage=None), turn(slug="b", model="c"), turn(), turn(thread="t2"))
    use = read_thread_use(ledger, "t1", 0.0)
    assert use
    assert (use.slug, use.route, use.window, use.share) == ("row", "openai", None, None)
    found = {(one.slug, one.route, one.model): (one.uncounted, one.tokens) for one in use.used}
    assert found.keys() == {("row", "openai", "gpt-5"), ("b", "openai", "c")}
    assert found["row", "openai", "gpt-5"] == (1, TOKENS)


def test_last_turn_names_the_thread(write: Write, ledger: Path) -> None:
    write(turn(thread="t1"), turn(thread="t2", slug="newest"), turn(thread="t3", route=""))
    use = read_thread_use(ledger, "", 0.0)
    assert use
    assert (use.slug, len(use.used)) == ("newest", 1)
    assert read_thread_use(ledger, "unknown", 0.0) is None


def test_turn_of_a_comparison_is_not_the_last_turn(write: Write, ledger: Path) -> None:
    write(turn(thread="t1", slug="mine"), turn(thread="t2", slug="asked", agent=WHAT_IF))
    use = read_thread_use(ledger, "", 0.0)
    assert use
    assert use.slug == "mine"
    named = read_thread_use(ledger, "t2", 0.0)
    assert named
    assert named.slug == "asked"


def test_turn_without_a_thread_has_no_sums(write: Write, ledger: Path) -> None:
    write(turn(thread=""), turn(thread=""))
    use = read_thread_use(ledger, "", 0.0)
    assert use
    assert (use.slug, use.used) == ("row", [])


def test_share_is_of_the_shortest_window_of_the_route(ledger: Path) -> None:
    write_quota_turns(ledger.parent, time.time())
    use = read_thread_use(ledger, "t2", time.time())
    assert use
    assert use.window
    assert (use.window.window.name, use.window.used, use.share) == ("primary", 42.5, Share(12.0, 12.0))  # fmt: skip


def test_missing_ledger_raises(ledger: Path) -> None:
    with pytest.raises(sqlite3.Error):
        read_thread_use(ledger, "", 0.0)
