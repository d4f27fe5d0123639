"""`codex-shim budget lift`: by name or number, for a time, and without a change of other lifts."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from addons.adapters.system.paths import budget_lifts_file
from addons.core.telemetry.budgets import parse_lifts
from shim_cli.commands.budget.lift import lift_budget
from shim_cli.console.errors import STATE_FOLDER_ADVICE, CliError


@pytest.mark.parametrize(("which", "name"), [("threads", "threads"), ("1", "day-dollars")])
def test_lift_is_by_name_or_number_and_keeps_the_others(
    env: dict[str, str], which: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lift_budget(env, None, "day-tokens-fast", "2d")
    lift_budget(env, None, which, "1h")
    now = time.time()
    lifts = parse_lifts(budget_lifts_file(env).read_bytes(), now)
    assert lifts.keys() == {name, "day-tokens-fast"}
    assert 3500 < lifts[name] - now <= 3600
    assert "is lifted for 1 h, until" in capsys.readouterr().out


def test_lift_of_no_time_ends_a_lift(env: dict[str, str]) -> None:
    lift_budget(env, None, "threads", "1h")
    lift_budget(env, None, "threads", "0m")
    assert json.loads(budget_lifts_file(env).read_text()) == {}


def test_unwritable_state_folder_is_named(env: dict[str, str]) -> None:
    Path(env["CODEX_SHIM_STATE_DIR"]).write_text("no folder")
    with pytest.raises(CliError) as raised:
        lift_budget(env, None, "1", "1h")
    assert raised.value.advice == STATE_FOLDER_ADVICE
