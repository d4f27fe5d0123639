"""A user of the picker with models of several kinds, and the page, which fails the test on any exception."""

from __future__ import annotations

import json
import time
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from addons.adapters.ledger.turn_log import TurnLogWriter
from addons.core.providers.demo import demo_entry
from addons.core.telemetry.record import TurnRecord
from tests.fakes.account import Account
from tests.shim_cli.daemons import User, user_with_daemons
from tests.support.chromium import Page, chromium

WATCH = "window.refused = []; addEventListener('securitypolicyviolation', (e) => refused.push(e.blockedURI + ' ' + e.violatedDirective));"
LOCAL = {"base_url": "http://127.0.0.1:18180/v1", "api_key": "k", "max_context_limit": 32_000}
ROWS = (
    {"model": "qwen3", "slug": "qwen3", "display_name": "Qwen 3", **LOCAL},
    {"model": "claude-sonnet-4-5", "slug": "sonnet", "display_name": "Claude Sonnet 4.5", "provider": "anthropic", "api_key": "k"},
    {"model": "gpt-oss:120b", "slug": "a-model-with-quite-a-long-name-that-has-to-be-broken-somewhere", **LOCAL},
    {"model": "off", "slug": "off", **LOCAL, "api_key": "", "api_key_env": "NO_SUCH_KEY"},
)  # fmt: skip
ACCOUNT = (("gpt-5.5", 2, "list"), ("gpt-6-sol", 1, "list"), ("codex-auto-review", 3, "hide"))
"""Slug, priority and visibility of the models of the account."""
HOUR = 3600.0


def entry(slug: str, priority: int, visibility: str) -> dict[str, object]:
    names = {"gpt-5.5": "GPT-5.5", "gpt-6-sol": "GPT-6 Sol"}
    return {
        **demo_entry(),
        "slug": slug,
        "display_name": names.get(slug, slug),
        "priority": priority,
        "visibility": visibility,
        "context_window": 272_000,
    }


@contextmanager
def user_of_many_models(folder: Path) -> Iterator[User]:
    """A user with a login, rows of two upstreams, and turns of an earlier day."""
    with user_with_daemons(folder) as someone:
        codex = someone.config.parent
        codex.mkdir()
        Account().write(codex)
        models = [entry(*one) for one in ACCOUNT]
        (codex / "models_cache.json").write_text(json.dumps({"models": models}))
        (folder / ".codex-shim").mkdir()
        (folder / ".codex-shim" / "models.json").write_text(json.dumps({"models": ROWS}))
        record_turns(folder)
        yield someone


def record_turns(folder: Path) -> None:
    """Write two turns into the ledger: one that ended well, one that failed."""
    now = time.time()
    state = folder / "state"
    log = TurnLogWriter(state / "access.jsonl", state / "usage.sqlite")
    good = TurnRecord(slug="gpt-5.5", row="gpt-5.5", route="chatgpt", status=200)
    good.started = now - 26 * HOUR
    failed = TurnRecord(
        slug="qwen3", row="qwen3", route="ollama", status=502, error="upstream_unreachable"
    )
    failed.started = now - 3 * HOUR
    for turn in (good, failed):
        log.note(turn)
    log.close()


def page_url(user: User, page: str = "picker") -> str:
    """Return the address that `codex-shim picker` opens."""
    ran = user.run(page, "--no-open")
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()[1].strip()


def active(user: User) -> object:
    """Return the model of Codex's config."""
    return tomllib.loads(user.config.read_text())["model"]


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Page]:
    """A page that fails the test if it violates its content policy."""
    async with chromium(1200, 900) as page:
        await page.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        await page.go(url)
        yield page
        assert await page.evaluate("refused") == []
        assert [e for e in page.events if e.get("method") == "Runtime.exceptionThrown"] == []
