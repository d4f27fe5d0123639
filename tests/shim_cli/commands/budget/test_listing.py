"""`codex-shim budget`: what the ledger says is spent."""

from __future__ import annotations

import time

import pytest

from addons.adapters.ledger.turn_log import TurnLogWriter
from addons.adapters.system.paths import access_log_file, ledger_file
from shim_cli.commands.budget.listing import list_budgets
from tests.adapters.records import turn


def spend(env: dict[str, str], **fields: object) -> None:
    writer = TurnLogWriter(access_log_file(env), ledger_file(env))
    writer.note(turn(started=time.time(), **fields))
    writer.close()


def test_list_shows_what_is_spent_of_each(
    env: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    spend(env, thread="t2", root="t1")
    spend(env, thread="t1")
    assert list_budgets(env, None, as_json=False) == 0
    assert capsys.readouterr().out.splitlines() == [
        "  1 day-dollars      $0.30 of $5.00 per day (6%)",
        "  2 threads          2,100 tokens of 2,000 tokens per thread (105%)",
        "  3 day-tokens-fast  2,100 tokens of 10,000 tokens per day, row (21%)",
    ]
