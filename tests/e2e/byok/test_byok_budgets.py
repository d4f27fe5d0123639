"""The real Codex at the end of a budget: the turn ends at once, with the sum and the command that lifts the budget."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shim_cli.commands.budget.lift import lift_budget
from tests.e2e.codex_cli import CodexHome, Run
from tests.e2e.conftest import StartShim
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.model_upstream import KEY, Usage, say

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180), pytest.mark.usefixtures("each_transport")]

CAP = {"per": "day", "dollars": 2.5}
ONE_DOLLAR = say("done", usage=Usage(input=1_000_000, read=0))
"""At the price of `row_of`. Codex's own request is estimated at a few cents."""


@pytest.fixture
def upstream() -> Iterator[ChatUpstream]:
    with ChatUpstream() as running:
        running.default_answer = ONE_DOLLAR
        yield running
    assert running.objections == []


def row_of(upstream: ChatUpstream) -> dict[str, object]:
    return {
        "slug": "paid",
        "model": "paid-chat",
        "provider": "generic-chat-completion-api",
        "base_url": upstream.base_url,
        "api_key": KEY,
        "max_context_limit": 2_000_000,
        "price": {"input": 1, "output": 0},
    }


def test_turn_beyond_a_budget_ends_at_once_and_goes_on_when_it_is_lifted(
    user: CodexHome, start_shim: StartShim, upstream: ChatUpstream
) -> None:
    settings = user.state / "models.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps({"budgets": [CAP], "models": [row_of(upstream)]}))
    shim = start_shim(CODEX_SHIM_SETTINGS=str(settings))
    provider: dict[str, Any] = user.provider or {}
    user.configure(f"http://127.0.0.1:{shim.port}/v1", "paid", **provider)

    def turn() -> Run:
        return user.exec("go")

    for _ in range(3):
        assert turn().messages == ["done"]
    refused = turn()

    assert refused.code != 0
    assert "day-dollars ($2.50 per day) is used up: $3.00 spent" in refused.errors
    assert "`codex-shim budget lift day-dollars --for 1h`" in refused.errors
    assert "Reconnecting" not in refused.errors
    assert len(upstream.bodies) == 3

    lift_budget(user.env, settings, "day-dollars", "1h")
    assert turn().messages == ["done"]
    assert len(upstream.bodies) == 4
