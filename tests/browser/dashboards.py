"""A running shim with a dashboard: with turns that it recorded earlier, and a page that fails on any exception."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from addons.adapters.ledger.turn_log import TurnLogWriter
from addons.core.telemetry.record import AttemptRecord, TurnRecord
from addons.core.usage import Usage
from tests.browser.conftest import SLUGS, write_settings
from tests.e2e.shim import Shim
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.model_upstream import ModelUpstream
from tests.shim_cli.run import environment
from tests.shim_cli.served import ForkedShim
from tests.support.chromium import Page, chromium
from tests.support.codex_client import HEADERS, Posted, request

TOKEN = "the-local-token-of-this-test-0123456789"
THREADS = ("0199b2c4-0000-7000-8000-000000000001", "0199b2c4-0000-7000-8000-000000000002")
DESCRIPTION = "the server in the cellar"
HOSTILE = "<img src=x onerror=window.hacked=1>"
OTHER_NAME = "another-name"
"""Aliases of the model of the fake upstream."""
WATCH = "window.refused = []; addEventListener('securitypolicyviolation', (e) => refused.push(e.blockedURI + ' ' + e.violatedDirective));"


def _quota(primary: int, secondary: int, resets_in: int) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"x-codex-primary-used-percent", b"%d" % primary),
        (b"x-codex-primary-window-minutes", b"300"),
        (b"x-codex-primary-reset-after-seconds", b"%d" % resets_in),
        (b"x-codex-secondary-used-percent", b"%d" % secondary),
        (b"x-codex-secondary-window-minutes", b"10080"),
        (b"x-codex-secondary-reset-after-seconds", b"%d" % (resets_in + 290_000)),
    )


QUOTAS = {48: _quota(30, 84, 5400 + 9 * 240), 57: _quota(42, 86, 5400)}
"""The number of a turn of ChatGPT → what its answer reports."""


@dataclass(frozen=True, slots=True)
class RunningDashboard:
    """A running shim, its upstream and its local token."""

    shim: Shim
    chat: ModelUpstream
    token: str

    def post(self, model: str = SLUGS["chat"]) -> Posted:
        """Send a turn."""
        token = {"x-codex-shim-token": self.token} if self.token else {}
        return Posted(self.shim.port, request(model), {**HEADERS, **token})

    def url(self, query: str = "") -> str:
        """Return the address of the page, with the token."""
        return self.bare_url(query) + (f"#token={self.token}" if self.token else "")

    def bare_url(self, query: str = "") -> str:
        """Return the address of the page as people see it."""
        return f"http://127.0.0.1:{self.shim.port}/dashboard{query}"


@contextmanager
def running_dashboard(folder: Path, token: str = TOKEN) -> Iterator[RunningDashboard]:
    """Run a shim and its upstream; what was recorded in the state folder before is there."""
    state = folder / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    if token:
        (state / "token").write_text(f"{token}\n")
    with ChatUpstream() as chat:
        settings = folder / "models.json"
        write_settings(settings, {"chat": chat})
        rows = json.loads(settings.read_text())["models"]
        described = {"model": "big", "description": DESCRIPTION, "base_url": "https://x.example/v1"}
        aliases = dict.fromkeys((HOSTILE, OTHER_NAME), SLUGS["chat"])
        settings.write_text(json.dumps({"models": [*rows, described], "aliases": aliases}))
        env = environment(folder, {"CODEX_SHIM_SETTINGS": str(settings)})
        with ForkedShim(env, folder / "serve.log") as shim:
            yield RunningDashboard(shim, chat, token)


def record_turns(folder: Path) -> list[TurnRecord]:
    """Record 60 turns of the last hours: three models, two threads, failures, and one that took 312 seconds."""
    now = time.time()
    turns = [_turn(number, now - (60 - number) * 240) for number in range(60)]
    log = TurnLogWriter(folder / "state" / "access.jsonl", folder / "state" / "usage.sqlite")
    for turn in turns:
        log.note(turn)
    log.close()
    return turns


def _turn(number: int, started: float) -> TurnRecord:
    route, slug, model = (
        ("chatgpt", "gpt-5.5", "gpt-5.5"),
        ("generic-chat-completion-api", "big", "big"),
        ("generic-chat-completion-api", SLUGS["chat"], "fake-chat"),
    )[number % 3]
    tokens = 2_000 + 1_700 * (number % 11) + 90 * number
    seconds = 1.4 + (number * 37 % 23) / 5
    attempt = AttemptRecord("https://x.example/v1/responses", "", "POST", started, outcome="200")
    turn = TurnRecord(
        id=f"00000000-0000-4000-8000-{number:012d}",
        slug=slug,
        row=slug,
        route=route,
        model=model,
        thread=THREADS[number % 2],
        agent="user",
        started=started,
        attempts=[replace(attempt, seconds=seconds, answer_headers=QUOTAS.get(number, ()))],
        status=200,
        terminal="response.completed",
        usage=Usage(tokens, tokens * (number % 5) // 5, tokens // 22, 0, tokens),
        ttft=0.3 + (number * 13 % 17) / 20,
        seconds=seconds,
    )
    if number == 41:
        turn.seconds = 312.0
    if number in {20, 50}:
        first = replace(attempt, seconds=0.4, outcome="connect")
        turn.attempts = [first, replace(attempt, seconds=0.5, reason="connect", outcome="429")]
        turn.terminal, turn.error, turn.usage, turn.ttft = (
            "response.failed",
            "rate_limit_exceeded",
            None,
            None,
        )
        turn.seconds = 0.9
    return turn


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Page]:
    """A page that loads nothing from other hosts, violates no content policy and throws no exception."""
    async with chromium(1280, 1500) as page:
        await page.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        await page.go(url)
        yield page
        assert await page.evaluate("refused") == []
        assert [e for e in page.events if e.get("method") == "Runtime.exceptionThrown"] == []
        urls = await page.evaluate(
            "performance.getEntriesByType('resource').map((one) => one.name)"
        )
        assert urls
        assert all(one.startswith(url[: url.index("/dashboard")]) for one in urls), urls


async def shows(page: Page, *texts: str) -> None:
    """Wait until the page shows all these texts."""
    for each in texts:
        await page.wait_for(f"document.body.innerText.includes({json.dumps(each)})")


async def is_live(page: Page) -> None:
    """Wait until the page has its turns and its totals."""
    await page.wait_for("document.getElementById('state').textContent === 'live'")


async def rows(page: Page) -> int:
    """Return the number of turns in the table."""
    return int(await page.evaluate("document.querySelectorAll('#turns tr.turn').length"))
