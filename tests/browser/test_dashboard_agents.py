"""The tree of agents in a real browser: who started whom, what each used, and who runs now."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from addons.adapters.ledger.turn_log import TurnLogWriter
from addons.core.telemetry.record import TurnRecord
from addons.core.usage import Usage
from tests.browser.conftest import SLUGS
from tests.browser.dashboards import HOSTILE, is_live, opened, record_turns, running_dashboard
from tests.fakes.http_messages import Gate
from tests.fakes.model_upstream import Held, say
from tests.support.codex_client import HEADERS, Posted, request

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

LEAD = "00000000-0000-7000-8000-00000000abcd"
"""The thread of `HEADERS`."""
CHILD, GRANDCHILD = (f"00000000-0000-7000-8000-00000000000{number}" for number in (1, 2))
ROWS = """[...document.querySelectorAll('#agents tbody tr')].map((row) =>
  [row.dataset.depth, row.dataset.thread, ...[...row.children].slice(1).map((cell) => cell.innerText)])"""

FIRST = "[...document.querySelector('#agents tbody tr').children].map((cell) => cell.innerText)"


def record_tree(folder: Path) -> None:
    """Record a lead at ChatGPT, a child of it, and a child of that one, whose last turn failed."""
    now = time.time()
    used = {"status": 200, "terminal": "response.completed", "seconds": 1.0}
    lead = {
        "slug": "gpt-5.5",
        "route": "chatgpt",
        "model": "gpt-5.5",
        "agent": "user",
        "thread": LEAD,
    }
    child = {"route": "chat", "agent": "sub-agent", "root": LEAD, "parent": LEAD, "thread": CHILD}
    grandchild = {**child, "parent": CHILD, "thread": GRANDCHILD}
    log = TurnLogWriter(folder / "state" / "access.jsonl", folder / "state" / "usage.sqlite")
    for at, fields in enumerate(
        (
            {**lead, **used, "usage": Usage(5000, 0, 100, 0, 5100)},
            {
                **child,
                **used,
                "slug": SLUGS["chat"],
                "model": "m",
                "usage": Usage(2000, 0, 40, 0, 2040),
            },
            {**grandchild, "slug": HOSTILE, "model": "m", "status": 502, "error": "server_error"},
        )
    ):
        log.note(TurnRecord(id=f"tree-{at}", started=now - 60 + at, **fields))  # type: ignore[arg-type]
    log.close()


async def test_tree_shows_parents_children_models_tokens_cost_and_state(tmp_path: Path) -> None:
    record_tree(tmp_path)
    gate = Gate()
    with running_dashboard(tmp_path) as dashboard:
        async with opened(dashboard.url()) as page:
            await is_live(page)
            await page.wait_for("document.querySelectorAll('#agents tbody tr').length === 3")
            lead, child, grandchild = await page.evaluate(ROWS)
            assert [row[:3] for row in (lead, child, grandchild)] == [
                ["0", LEAD, "gpt-5.5"],
                ["1", CHILD, SLUGS["chat"]],
                ["2", GRANDCHILD, HOSTILE],
            ]
            assert [row[3].partition(",")[0] for row in (lead, child, grandchild)] == [
                "ok",
                "ok",
                "failed",
            ]
            assert (lead[4:], child[4:]) == (
                ["1", "5k", "100", "plan"],
                ["1", "2k", "40", "unknown"],
            )
            assert await page.evaluate("document.querySelectorAll('#agents td.bad').length") == 1

            dashboard.chat.play(Held(say("apricot apricot apricot"), b"apricot", gate))
            agent = {
                "thread-id": CHILD,
                "session-id": LEAD,
                "x-codex-parent-thread-id": LEAD,
                "x-openai-subagent": "collab_spawn",
            }
            token = {"x-codex-shim-token": dashboard.token}
            turn = Posted(
                dashboard.shim.port, request(SLUGS["chat"]), {**HEADERS, **agent, **token}
            )
            running = f"{ROWS}.find((row) => row[1] === '{CHILD}')[3] === 'running'"
            await page.wait_for(running)
            gate.open()
            turn.ended()
            await page.wait_for(f"{ROWS}.find((row) => row[1] === '{CHILD}')[4] === '2'")
            await page.wait_for(f"!({running})")

            rest = {"thread": LEAD, "depth": 1, "more": 7, "slugs": ["m"], "turns": 9, "input": 1, "output": 2, "last": 1, "ok": True}  # fmt: skip
            drawn = f"import('/agents.js').then((it) => (it.drawAgents([{json.dumps(rest)}], [{{thread: '{LEAD}'}}], () => 'plan'), {FIRST}))"
            assert await page.evaluate_async(drawn) == [
                "└ 7 more agents",
                "m",
                "",
                "9",
                "1",
                "2",
                "plan",
            ]
            assert await page.evaluate("window.hacked") is None


async def test_page_without_sub_agents_has_no_tree(tmp_path: Path) -> None:
    record_turns(tmp_path)
    with running_dashboard(tmp_path) as dashboard:
        async with opened(dashboard.url()) as page:
            await is_live(page)
            await page.wait_for("document.querySelectorAll('#models tbody tr').length > 0")
            assert await page.evaluate("document.getElementById('trees').hidden")
