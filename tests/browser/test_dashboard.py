"""The dashboard in a real browser: live turns, usage, both colour schemes, with and without a token."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.browser.conftest import SLUGS, write_settings
from tests.e2e.shim import Shim
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.http_messages import Gate
from tests.fakes.model_upstream import Held, ModelUpstream, Refuse, ScriptedAnswer, Usage, say
from tests.shim_cli.run import environment
from tests.support.chromium import Page, artifact, chromium
from tests.support.codex_client import HEADERS, Posted, request

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

TOKEN = "the-local-token-of-this-test-0123456789"
HOSTILE = "<img src=x onerror=window.hacked=1>"
WATCH = "window.refused = []; addEventListener('securitypolicyviolation', (e) => refused.push(e.blockedURI + ' ' + e.violatedDirective));"
ANSWER = ScriptedAnswer(text="apricot apricot apricot", usage=Usage(18_200, 17_000, 0, 640, 120))
QUOTA = {"x-ratelimit-limit-requests": "100", "x-ratelimit-remaining-requests": "12"}


@dataclass(frozen=True, slots=True)
class RunningDashboard:
    """A running shim, its upstream and its local token."""

    shim: Shim
    chat: ModelUpstream
    token: str

    def post(self, model: str = SLUGS["chat"]) -> Posted:
        token = {"x-codex-shim-token": self.token} if self.token else {}
        return Posted(self.shim.port, request(model), {**HEADERS, **token})

    def url(self, fragment: str = "") -> str:
        return f"http://127.0.0.1:{self.shim.port}/dashboard{fragment}"


@pytest.fixture(params=[TOKEN, ""], ids=["with a token", "without"])
def dashboard(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RunningDashboard]:
    with ExitStack() as stack:
        chat = stack.enter_context(ChatUpstream())
        write_settings(tmp_path / "models.json", {"chat": chat})
        if request.param:
            (tmp_path / "state").mkdir(mode=0o700)
            (tmp_path / "state" / "token").write_text(f"{request.param}\n")
        env = environment(tmp_path, {"CODEX_SHIM_SETTINGS": str(tmp_path / "models.json")})
        running = stack.enter_context(Shim(env, tmp_path / "serve.log"))
        yield RunningDashboard(running, chat, request.param)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Page]:
    """A page that loads nothing from other hosts, violates no content policy and throws no exception."""
    async with chromium(1200, 1500) as page:
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
    for each in texts:
        await page.wait_for(f"document.body.innerText.includes({json.dumps(each)})")


async def test_turns_appear_while_they_run_and_when_they_end(
    dashboard: RunningDashboard, tmp_path: Path
) -> None:
    gate = Gate()
    fragment = f"#token={dashboard.token}" if dashboard.token else ""
    async with opened(dashboard.url(fragment)) as page:
        await page.wait_for("document.getElementById('state').textContent === 'live'")
        await shows(page, "no turn")
        dashboard.chat.play(
            Held(ANSWER, b"apricot", gate), Refuse(401, "no", headers=QUOTA), say("last")
        )
        held = dashboard.post()
        await shows(page, "bytes")
        running = "document.getElementById('running').innerText"
        assert SLUGS["chat"] in await page.evaluate(running)
        gate.open()
        assert b"response.completed" in held.ended()
        await shows(
            page, "no turn", "18.2k", "640", "93 %", "generic-chat-completion-api fake-chat"
        )
        dashboard.post().ended()
        await shows(page, "requests: 88 % used")
        dashboard.post(HOSTILE).ended()
        await shows(page, HOSTILE)
        dashboard.post().ended()
        await page.wait_for("document.querySelectorAll('#turns tbody tr').length === 4")
        assert await page.evaluate("document.querySelectorAll('#turns td.bad').length") == 2
        await page.wait_for("document.querySelectorAll('#days rect').length > 0")
        assert await page.evaluate("window.hacked") is None
        assert await page.evaluate("location.href") == dashboard.url()
        await keep_pictures(page, tmp_path, "token" if dashboard.token else "open")
        if dashboard.token:
            assert TOKEN not in await page.evaluate("document.documentElement.outerHTML")


async def keep_pictures(page: Page, folder: Path, name: str) -> None:
    """Save a screenshot in each colour scheme; the two must differ."""
    paper = "getComputedStyle(document.body).backgroundColor"
    seen = set()
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await page.call("Emulation.setEmulatedMedia", features=features)
        seen.add(await page.evaluate(paper))
        await page.screenshot(artifact(f"dashboard-{name}-{scheme}.png", folder))
    assert len(seen) == 2


@pytest.mark.parametrize("dashboard", [TOKEN], indirect=True, ids=["with a token"])
async def test_page_without_a_token_shows_no_turn_and_asks_for_it(
    dashboard: RunningDashboard,
) -> None:
    dashboard.chat.play(say("apricot"))
    dashboard.post().ended()
    async with opened(dashboard.url()) as page:
        await shows(page, "token")
        await page.wait_for("document.getElementById('state').classList.contains('bad')")
        assert SLUGS["chat"] not in await page.text()
