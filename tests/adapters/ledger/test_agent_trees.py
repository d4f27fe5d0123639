"""The trees of agents in the ledger."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from addons.adapters.ledger.agent_trees import MAX_AGENTS, MAX_TREES, read_agent_trees
from addons.adapters.ledger.turn_log import Ledger
from addons.adapters.ledger.usage_report import shipped_prices
from addons.core.telemetry.record import TurnRecord
from addons.core.usage import Usage
from tests.adapters.ledger.conftest import Write
from tests.adapters.records import turn

PRICES = shipped_prices()
START = 1_800_000_000.0


def child(thread: str, parent: str, **fields: object) -> TurnRecord:
    made = {"thread": thread, "root": "lead", "parent": parent, "agent": "sub-agent", **fields}
    return turn(**made)


def tree(ledger: Path, since: float = 0) -> list[tuple[object, ...]]:
    return [
        (one["depth"], one["thread"], one["turns"])
        for one in read_agent_trees(ledger, since, PRICES)
    ]


def test_every_agent_stands_behind_the_one_that_started_it(write: Write, ledger: Path) -> None:
    write(
        turn(thread="lead", agent="user", started=START),
        child("a", "lead", started=START + 1),
        child("b", "lead", started=START + 2),
        child("a1", "a", started=START + 3),
        child("lost", "unknown", started=START + 4),
        turn(thread="lead", agent="user", started=START + 5),
        turn(thread="alone", agent="user", started=START + 6),
        child("title", "lead", agent="title"),
    )
    assert tree(ledger) == [
        (0, "lead", 2), (1, "a", 1), (2, "a1", 1), (1, "b", 1), (1, "lost", 1),
    ]  # fmt: skip
    assert tree(ledger, START + 10) == []


def test_agent_has_its_models_tokens_cost_and_the_state_of_its_last_turn(
    write: Write, ledger: Path
) -> None:
    write(
        turn(thread="lead", agent="user", slug="gpt-5.5", route="chatgpt", started=START),
        child("a", "lead", slug="one", usage=Usage(100, 0, 10, 0, 110), started=START + 1),
        child("a", "lead", slug="two", usage=Usage(7, 0, 3, 0, 10), started=START + 3),
        child(
            "a",
            "lead",
            slug="one",
            usage=None,
            status=502,
            terminal="",
            error="x",
            started=START + 4,
        ),
    )
    lead, agent = read_agent_trees(ledger, 0, PRICES)
    assert (lead["slugs"], lead["on_plan"], lead["ok"]) == (["gpt-5.5"], 1, True)
    assert (agent["slugs"], agent["last"], agent["ok"]) == (["two", "one"], START + 4, False)
    assert (agent["turns"], agent["failed"], agent["input"], agent["output"]) == (3, 1, 107, 13)


def test_agents_that_name_each_other_as_parents_are_shown_once(write: Write, ledger: Path) -> None:
    write(
        child("a", "b", started=START),
        child("b", "a", started=START),
        child("c", "c", started=START),
    )
    assert tree(ledger) == [(0, "c", 1), (0, "a", 1), (0, "b", 1)]


def test_agent_without_a_thread_is_the_parent_of_none(write: Write, ledger: Path) -> None:
    write(child("", "", started=START), child("a", "", started=START + 1))
    assert tree(ledger) == [(0, "", 1), (0, "a", 1)]


def test_newest_trees_are_shown(write: Write, ledger: Path) -> None:
    write(*(child(f"t{n}", f"r{n}", root=f"r{n}", started=START + n) for n in range(MAX_TREES + 3)))
    shown = [thread for _, thread, _ in tree(ledger)]
    assert shown == [f"t{n}" for n in range(MAX_TREES + 2, 2, -1)]


@pytest.mark.parametrize("missing", ["root", "parent"])
def test_ledger_of_an_earlier_version_can_be_read_and_gets_the_column(
    write: Write, ledger: Path, missing: str
) -> None:
    write(turn(thread="lead", agent="user"), child("a", "lead"))
    with contextlib.closing(sqlite3.connect(ledger)) as db:
        db.execute(f"ALTER TABLE turns DROP COLUMN {missing}")
        db.execute("PRAGMA user_version = 3")
    expected = [] if missing == "root" else [(0, "lead", 1), (1, "a", 1)]
    assert tree(ledger) == expected
    Ledger(ledger, START).close()
    assert tree(ledger) == expected


def test_agents_that_are_not_shown_are_counted_with_what_they_used(
    write: Write, ledger: Path
) -> None:
    many = [
        child(f"a{number:03}", "lead", slug=f"m{number % 2}", started=START + number)
        for number in range(MAX_AGENTS + 7)
    ]
    write(turn(thread="lead", agent="user", started=START), *many)
    found = read_agent_trees(ledger, 0, PRICES)
    *shown, rest = found
    assert len(shown) == MAX_AGENTS
    assert not [one for one in shown if "more" in one]
    # the lead is one of those that are shown
    assert (rest["more"], rest["turns"], rest["depth"]) == (8, 8, 1)
    assert rest["slugs"] == ["m1", "m0"]
    assert rest["input"] == 8 * 1000
    assert sum(int(str(one["turns"])) for one in found) == MAX_AGENTS + 8
