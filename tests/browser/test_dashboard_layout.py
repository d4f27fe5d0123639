"""The look of the dashboard: widths, colour schemes, and what it shows while there is nothing to show."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.dashboards import (
    TOKEN,
    is_live,
    opened,
    record_turns,
    rows,
    running_dashboard,
    shows,
)
from tests.support.axe import violations
from tests.support.chromium import Page, artifact

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

SIZES = ((390, 3400), (1280, 1500), (1920, 1500))
FITS = "document.documentElement.scrollWidth <= innerWidth"
INSIDE = "[...document.querySelectorAll('table, form, .figures')].every((one) => one.getBoundingClientRect().right <= one.parentElement.getBoundingClientRect().right + 0.5)"
SPREAD = "document.querySelector('main').getBoundingClientRect().width / document.documentElement.clientWidth"


async def looks_right(page: Page, name: str, folder: Path) -> None:
    """Check and keep the page at each width in each scheme."""
    papers = set()
    for width, height in SIZES:
        await page.resize(width, height)
        for scheme in ("light", "dark"):
            await page.use_scheme(scheme)
            papers.add(await page.evaluate("getComputedStyle(document.body).backgroundColor"))
            await page.screenshot(artifact(f"{name}-{width}-{scheme}.png", folder))
            assert await page.evaluate(FITS), f"{name} is wider than {width}"
            assert await page.evaluate(INSIDE), f"{name}: something at {width} px leaves its card"
            assert await violations(page) == [], f"{name} at {width} px, {scheme}"
    assert len(papers) == 2


async def test_turns_fit_every_width_in_both_schemes(tmp_path: Path) -> None:
    record_turns(tmp_path)
    with running_dashboard(tmp_path) as dashboard:
        async with opened(dashboard.url()) as page:
            await is_live(page)
            await page.wait_for("document.querySelectorAll('#days rect.fresh').length > 0")
            await page.click("#turns tr.turn:nth-child(3) button.open")
            await looks_right(page, "dashboard", tmp_path)
            assert await page.evaluate(SPREAD) == 1
            assert await rows(page) == 25


async def test_turn_is_a_card_on_a_phone(tmp_path: Path) -> None:
    record_turns(tmp_path)
    with running_dashboard(tmp_path) as dashboard:
        async with opened(dashboard.url()) as page:
            await is_live(page)
            lines = "new Set([...document.querySelectorAll('#turns tr.turn:first-child td')].map((one) => one.offsetTop)).size"
            assert await page.evaluate(lines) == 1
            await page.resize(1280, 860)
            await page.wait_for("document.querySelectorAll('#days rect.fresh').length > 0")
            await page.screenshot(artifact("dashboard-turns.png", tmp_path))
            await page.resize(390, 900)
            assert await page.evaluate(lines) == 3
            name = (
                "getComputedStyle(document.querySelector('#turns td.number'), '::before').content"
            )
            assert await page.evaluate(name) == '"first delta"'


async def test_no_turn_yet_is_said_with_the_command_that_sends_one(tmp_path: Path) -> None:
    with running_dashboard(tmp_path) as dashboard:
        async with opened(dashboard.url()) as page:
            await is_live(page)
            await shows(page, "No turn yet", 'codex-shim try "hello"', "No turn in this time span.")
            empty = "[...document.querySelectorAll('svg, table, select')].filter((one) => one.checkVisibility()).length"
            assert await page.evaluate(empty) == 0
            await looks_right(page, "dashboard-empty", tmp_path)


async def test_missing_token_shows_one_centred_card_and_nothing_else(tmp_path: Path) -> None:
    record_turns(tmp_path)
    with running_dashboard(tmp_path) as dashboard:
        async with opened(dashboard.bare_url()) as page:
            await shows(page, "This page is locked", "codex-shim dashboard")
            assert "gpt-5.5" not in await page.text()
            assert not await page.evaluate("document.getElementById('board').checkVisibility()")
            middle = "(({left, right}) => (left + right) / 2 - innerWidth / 2)(document.getElementById('unlock').getBoundingClientRect())"
            assert abs(await page.evaluate(middle)) < 1
            await looks_right(page, "dashboard-locked", tmp_path)
            await page.evaluate("document.getElementById('token').focus()")
            await page.call("Input.insertText", text=TOKEN)
            await page.press("Enter", "\r")
            await shows(page, "gpt-5.5")
            assert await page.evaluate("document.getElementById('unlock').hidden")


async def test_stopped_shim_dims_the_page_and_a_started_one_takes_it_back(tmp_path: Path) -> None:
    record_turns(tmp_path)
    with running_dashboard(tmp_path) as dashboard:
        async with opened(dashboard.url()) as page:
            await is_live(page)
            dimmed = "getComputedStyle(document.getElementById('board')).opacity < 1"
            assert not await page.evaluate(dimmed)
            dashboard.shim.stop()
            await shows(page, "codex-shim does not answer", "codex-shim start")
            assert await page.evaluate(dimmed)
            assert await page.evaluate("document.getElementById('board').inert")
            await looks_right(page, "dashboard-stopped", tmp_path)
            with dashboard.shim:
                await is_live(page)
                assert not await page.evaluate(dimmed)
                assert not await page.evaluate(
                    "document.getElementById('stopped').checkVisibility()"
                )
                await page.wait_for("document.querySelectorAll('#turns tr.turn').length === 25")
