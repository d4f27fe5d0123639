"""The dashboard in a real browser: live turns and usage, with and without a token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import SLUGS
from tests.browser.dashboards import (
    HOSTILE,
    TOKEN,
    RunningDashboard,
    is_live,
    opened,
    running_dashboard,
    shows,
)
from tests.fakes.http_messages import Gate
from tests.fakes.model_upstream import Held, Refuse, ScriptedAnswer, Usage, say

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

ANSWER = ScriptedAnswer(text="apricot apricot apricot", usage=Usage(18_200, 17_000, 0, 640, 120))
QUOTA = {"x-ratelimit-limit-requests": "100", "x-ratelimit-remaining-requests": "12"}


@pytest.fixture(params=[TOKEN, ""], ids=["with a token", "without"])
def dashboard(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RunningDashboard]:
    with running_dashboard(tmp_path, request.param) as running:
        yield running


async def test_turns_appear_while_they_run_and_when_they_end(dashboard: RunningDashboard) -> None:
    gate = Gate()
    async with opened(dashboard.url()) as page:
        await is_live(page)
        await shows(page, "no turn")
        dashboard.chat.play(
            Held(ANSWER, b"apricot", gate),
            Refuse(401, "no", headers=QUOTA),
            Refuse(400, "no"),
            say("last"),
        )
        held = dashboard.post()
        await shows(page, "bytes")
        running = "document.getElementById('running').innerText"
        assert SLUGS["chat"] in await page.evaluate(running)
        gate.open()
        assert b"response.completed" in held.ended()
        await shows(page, "no turn", "18.2k", "640", "93 %")
        label = f"{dashboard.chat.base_url.split('/')[2]} (chat)"
        assert label in await page.evaluate("document.getElementById('turns').innerText")
        dashboard.post().ended()
        await shows(page, "requests 88 %")
        dashboard.post(HOSTILE).ended()
        await shows(page, HOSTILE)
        dashboard.post().ended()
        await page.wait_for("document.querySelectorAll('#turns tr.turn').length === 4")
        assert await page.evaluate("document.querySelectorAll('#turns td.bad').length") == 2
        await page.wait_for("document.querySelectorAll('#days rect').length > 0")
        assert await page.evaluate("window.hacked") is None
        assert await page.evaluate("location.href") == dashboard.bare_url()
        if dashboard.token:
            assert TOKEN not in await page.evaluate("document.documentElement.outerHTML")
