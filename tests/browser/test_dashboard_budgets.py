"""Budgets on the dashboard: share, amount, the warning at 80 %, and until when one is lifted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from addons.core.telemetry.budgets import dump_lifts
from tests.browser.dashboards import (
    TOKEN,
    RunningDashboard,
    is_live,
    opened,
    running_dashboard,
    shows,
)
from tests.fakes.model_upstream import ScriptedAnswer, Usage

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

BUDGETS = [{"per": "day", "tokens": 1_000, "name": "small"}, {"per": "thread", "tokens": 100_000}]
HIDDEN = "document.getElementById('budgeted').hidden"
HIGH = "[...document.querySelectorAll('#budgets .high b')].map((one) => one.innerText)"


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[RunningDashboard]:
    with running_dashboard(tmp_path, TOKEN) as running:
        running.chat.default_answer = ScriptedAnswer(text="apricot", usage=Usage(800, 0, 0, 50, 0))
        yield running


async def test_budget_shows_its_share_its_amount_and_its_lift(
    dashboard: RunningDashboard, tmp_path: Path
) -> None:
    async with opened(dashboard.url()) as page:
        await is_live(page)
        assert await page.evaluate(HIDDEN) is True
        settings = tmp_path / "models.json"
        settings.write_text(json.dumps({**json.loads(settings.read_text()), "budgets": BUDGETS}))
        if b"response.completed" not in dashboard.post().ended():
            # the first turn is refused if the ledger is still being read
            await shows(page, "small 0 %")
            dashboard.post().ended()
        await shows(page, "small 85 %", "850 tokens of 1", "per day, nearly used up")
        assert await page.evaluate(HIDDEN) is False
        assert await page.evaluate(HIGH) == ["small 85 %"]
        (tmp_path / "state" / "budget-lifts.json").write_bytes(
            dump_lifts({"small": time.time() + 3_600})
        )
        await shows(page, "lifted until")
        assert await page.evaluate("window.hacked") is None
