"""The picker with many models: groups in the order of Codex, the last turn of each, the way back, and its look."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.pickers import active, opened, page_url, user_of_many_models
from tests.shim_cli.daemons import User
from tests.support.axe import violations
from tests.support.chromium import Page, artifact

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

WIDTHS = (390, 1280, 1920)
LONG = "a-model-with-quite-a-long-name-that-has-to-be-broken-somewhere"
GROUPS = (
    "[...document.querySelectorAll('.group')].map((one) => [one.querySelector('h2 span').textContent,"
    " ...[...one.querySelectorAll('.model')].map((model) => model.dataset.slug)])"
)
FITS = "document.documentElement.scrollWidth <= innerWidth"
CHATGPT = ["ChatGPT", "gpt-6-sol", "gpt-5.5"]
CELLAR = ["127.0.0.1:18180 (chat)", "qwen3", LONG]
ANTHROPIC = ["Anthropic", "sonnet"]
UNDO = "document.getElementById('undo')"


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    with user_of_many_models(tmp_path) as someone:
        used = someone.run("model", "use", "gpt-5.5")
        assert used.returncode == 0, used.stderr
        yield someone


async def is_ready(page: Page) -> None:
    await page.wait_for("document.querySelectorAll('.model').length === 5")


async def is_active(page: Page, slug: str) -> None:
    await page.wait_for(f'!!document.querySelector("[data-slug=\\"{slug}\\"][aria-pressed=true]")')


async def facts(page: Page, slug: str) -> tuple[str, str]:
    """Return what a card says of the last turn, and the class of its dot."""
    card = f"document.querySelector('[data-slug=\"{slug}\"]')"
    said = await page.evaluate(f"{card}.querySelector('.facts').lastChild.textContent")
    return said, await page.evaluate(f"{card}.querySelector('.dot').classList[1]")


async def test_group_in_use_comes_first_then_own_rows_each_in_the_order_of_codex(
    user: User,
) -> None:
    async with opened(page_url(user)) as page:
        await is_ready(page)
        assert await page.evaluate(GROUPS) == [CHATGPT, CELLAR, ANTHROPIC]
        assert "from models.json" in await page.text()
        await page.evaluate("document.getElementById('rest').open = true")
        rest = await page.evaluate("document.getElementById('hidden').innerText")
        assert 'codex-auto-review\n\nCodex hides it: its entry says visibility "hide"' in rest
        assert rest.count("cursor-agent is not installed") == 1
        assert (
            await page.evaluate("document.getElementById('count').textContent")
            == "Not offered by Codex (5)"
        )
        assert "NO_SUCH_KEY" in rest
        await page.click("[data-slug=sonnet]")
        await is_active(page, "sonnet")
        assert await page.evaluate(GROUPS) == [CHATGPT, CELLAR, ANTHROPIC], "a card has moved"
    async with opened(page_url(user)) as page:
        await is_ready(page)
        assert await page.evaluate(GROUPS) == [ANTHROPIC, CELLAR, CHATGPT]


async def test_last_turn_of_an_earlier_day_is_read_from_the_ledger(user: User) -> None:
    async with opened(page_url(user)) as page:
        await is_ready(page)
        await page.wait_for("document.body.innerText.includes('last turn ok')")
        assert await facts(page, "gpt-5.5") == ("last turn ok, 1 d ago", "ready")
        failed = "last turn failed, 3 h ago: upstream unreachable"
        assert await facts(page, "qwen3") == (failed, "failed")
        assert await facts(page, "sonnet") == ("not tried yet", "untried")


async def test_undo_switches_back_and_can_be_undone(user: User) -> None:
    async with opened(page_url(user)) as page:
        await is_ready(page)
        assert await page.evaluate(f"{UNDO}.hidden")
        await page.click("[data-slug=qwen3]")
        await is_active(page, "qwen3")
        await page.wait_for(f"{UNDO}.innerText.startsWith('GPT-5.5 was in use before.')")
        await page.click("#undo-button")
        await is_active(page, "gpt-5.5")
        await page.wait_for(f"{UNDO}.innerText.startsWith('Qwen 3')")
    assert active(user) == "gpt-5.5"


async def test_undo_is_one_key_away(user: User) -> None:
    async with opened(page_url(user)) as page:
        await is_ready(page)
        await page.evaluate("document.querySelector('[data-slug=qwen3]').focus()")
        await page.press("Enter", "\r")
        await is_active(page, "qwen3")
        await page.wait_for(f"!{UNDO}.hidden")
        await page.press("u", "u")
        await is_active(page, "gpt-5.5")
        assert await page.evaluate("document.activeElement.dataset.slug") == "gpt-5.5"
        await page.press("/", "/")
        await page.press("u", "u")
        assert await page.evaluate("document.getElementById('filter').value") == "u"
    assert active(user) == "gpt-5.5"


async def test_undo_ends_when_another_program_switches(user: User) -> None:
    async with opened(page_url(user)) as page:
        await is_ready(page)
        await page.evaluate("window.setTimeout = () => 0")
        await page.click("[data-slug=qwen3]")
        await page.wait_for(f"!{UNDO}.hidden")
        assert user.run("model", "use", "sonnet").returncode == 0
        await page.evaluate("dispatchEvent(new Event('focus'))")
        await page.wait_for(f"{UNDO}.hidden")


async def test_undo_ends_by_itself_unless_it_has_the_focus(user: User) -> None:
    """The clock of the page is replaced: only what it sets for the offer is kept."""
    clock = "window.offers = []; window.setTimeout = (what) => offers.push(what);"
    async with opened(page_url(user)) as page:
        await is_ready(page)
        await page.evaluate(clock)
        await page.click("[data-slug=qwen3]")
        await page.wait_for(f"!{UNDO}.hidden")
        await page.evaluate("document.getElementById('undo-button').focus()")
        await page.evaluate("offers.at(-1)()")
        assert not await page.evaluate(f"{UNDO}.hidden")
        await page.evaluate("document.getElementById('filter').focus()")
        await page.evaluate("offers.at(-1)()")
        assert await page.evaluate(f"{UNDO}.hidden")


async def test_page_fits_every_width_in_both_schemes(user: User, tmp_path: Path) -> None:
    papers = set()
    async with opened(page_url(user)) as page:
        await is_ready(page)
        await page.click("[data-slug=qwen3]")
        await page.wait_for(f"!{UNDO}.hidden")
        await page.evaluate("document.getElementById('rest').open = true")
        for width in WIDTHS:
            await page.resize(width, 1100)
            for scheme in ("light", "dark"):
                await page.use_scheme(scheme)
                papers.add(await page.evaluate("getComputedStyle(document.body).backgroundColor"))
                await page.screenshot(artifact(f"picker-{width}-{scheme}.png", tmp_path))
                assert await page.evaluate(FITS), f"the page is wider than {width}"
                assert await violations(page) == [], f"{width} px, {scheme}"
    assert len(papers) == 2
