"""The picker in a real browser: models with route, status and context; selection by mouse and by keyboard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.pickers import active, opened, page_url
from tests.shim_cli.commands.test_enable import MODELS
from tests.shim_cli.daemons import User, user_with_daemons
from tests.support.chromium import Page, artifact

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

OWN = 'model = "o3"  # mine\n'


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    rows = [{**row, "max_context_limit": 128_000} for row in MODELS["models"][:2]] + MODELS[
        "models"
    ][2:]
    with user_with_daemons(tmp_path) as someone:
        someone.config.parent.mkdir()
        someone.config.write_text(OWN)
        (tmp_path / ".codex-shim").mkdir()
        (tmp_path / ".codex-shim" / "models.json").write_text(json.dumps({"models": rows}))
        yield someone


async def middle(page: Page, selector: str) -> tuple[float, float]:
    place = f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
    x = await page.evaluate(f"{place}.x + {place}.width / 2")
    y = await page.evaluate(f"{place}.y + {place}.height / 2")
    return x, y


async def mouse(page: Page, kind: str, x: float, y: float) -> None:
    await page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)


async def test_click_selects_a_model_and_the_token_stays_hidden(user: User, tmp_path: Path) -> None:
    way = page_url(user)
    token = (user.state / "token").read_text().strip()
    async with opened(way) as page:
        await page.wait_for("document.querySelectorAll('.model').length === 2")
        assert await page.evaluate("location.href") == f"http://127.0.0.1:{user.port}/picker"
        assert "choose a model" in await page.text()
        await page.click("[data-slug=two]")
        await page.wait_for("!!document.querySelector('[data-slug=two][aria-pressed=true]')")
        await page.wait_for(
            "document.getElementById('state').textContent.startsWith('Codex will use two')"
        )
        assert active(user) == "two"
        text = await page.text()
        for words in (
            "First One",
            "Second One",
            "in use",
            "128k context",
            "from models.json",
            "not tried yet",
            "Not offered by Codex (",
        ):
            assert words in text, text
        assert token not in await page.evaluate("document.documentElement.outerHTML")
        await page.evaluate("document.getElementById('rest').open = true")
        assert "NO_SUCH_KEY" in await page.text()
        await page.screenshot(artifact("picker-light.png", tmp_path))
        dark = [{"name": "prefers-color-scheme", "value": "dark"}]
        light_paper = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        await page.call("Emulation.setEmulatedMedia", features=dark)
        assert await page.evaluate("getComputedStyle(document.body).backgroundColor") != light_paper
        await page.screenshot(artifact("picker-dark.png", tmp_path))
    assert user.run("disable").returncode == 0
    assert user.config.read_text() == OWN


async def test_refresh_between_press_and_release_keeps_the_click(user: User) -> None:
    async with opened(page_url(user)) as page:
        await page.wait_for("document.querySelectorAll('.model').length === 2")
        x, y = await middle(page, "[data-slug=two]")
        await mouse(page, "mousePressed", x, y)
        fetch_count = "performance.getEntriesByType('resource').filter((one) => one.name.endsWith('/api/models')).length"
        before = await page.evaluate(fetch_count)
        await page.evaluate("dispatchEvent(new Event('focus'))")
        await page.wait_for(f"{fetch_count} > {before}")
        await mouse(page, "mouseReleased", x, y)
        await page.wait_for("!!document.querySelector('[data-slug=two][aria-pressed=true]')")


async def test_picker_works_with_the_keyboard(user: User) -> None:
    async with opened(page_url(user)) as page:
        await page.wait_for("document.querySelectorAll('.model').length === 2")
        await page.press("/", "/")
        await page.call("Input.insertText", text="second")
        await page.wait_for("document.querySelectorAll('.model').length === 1")
        await page.press("ArrowDown")
        await page.press("Enter", "\r")
        await page.wait_for("!!document.querySelector('[data-slug=two][aria-pressed=true]')")
        assert await page.evaluate("document.activeElement.dataset.slug") == "two"
        await page.press("/", "/")
        assert await page.evaluate("document.activeElement.id") == "filter"
    assert active(user) == "two"


async def test_page_without_a_token_requests_it_and_shows_nothing(user: User) -> None:
    page_url(user)
    token = (user.state / "token").read_text().strip()
    async with opened(f"http://127.0.0.1:{user.port}/picker") as page:
        await page.wait_for("!document.getElementById('unlock').hidden")
        assert await page.evaluate("document.querySelectorAll('.model').length") == 0
        assert "Second One" not in await page.text()
        await page.evaluate("document.getElementById('token').focus()")
        await page.call("Input.insertText", text=token)
        await page.press("Enter", "\r")
        await page.wait_for("document.querySelectorAll('.model').length === 2")
        assert await page.evaluate("document.getElementById('unlock').hidden")


async def test_picker_and_dashboard_link_to_each_other_with_the_token(
    user: User, tmp_path: Path
) -> None:
    async with opened(page_url(user)) as page:
        await page.wait_for("document.querySelectorAll('.model').length === 2")
        await page.click("nav a[href='/dashboard']")
        await page.wait_for("location.pathname === '/dashboard'")
        await page.wait_for("document.getElementById('state').textContent === 'live'")
        await page.screenshot(artifact("dashboard.png", tmp_path))
        await page.click("nav a[href='/picker']")
        await page.wait_for("document.querySelectorAll('.model').length === 2")


async def test_outcome_of_the_last_turn_is_shown(user: User) -> None:
    async with opened(page_url(user)) as page:
        await page.wait_for("document.querySelectorAll('.model').length === 2")
        turn = json.dumps({"model": "one", "stream": True, "input": "hi"})
        script = (
            "fetch('/v1/responses', {method: 'POST', headers: {'content-type': 'application/json',"
            f" 'x-codex-shim-token': sessionStorage.getItem('codex-shim-token')}}, body: {json.dumps(turn)}}})"
            ".then((answer) => answer.text()).then(() => dispatchEvent(new Event('focus'))) && 1"
        )
        await page.evaluate(script)
        await page.wait_for(
            "document.querySelector('[data-slug=one]').textContent.includes('last turn failed')"
        )
