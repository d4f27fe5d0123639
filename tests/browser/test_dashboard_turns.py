"""The last turns of the dashboard: rows that open, filters in the address, percentiles, outliers and the quota."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import SLUGS
from tests.browser.dashboards import (
    DESCRIPTION,
    OTHER_NAME,
    THREADS,
    RunningDashboard,
    is_live,
    opened,
    record_turns,
    rows,
    running_dashboard,
    shows,
)
from tests.fakes.model_upstream import say
from tests.support.chromium import Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

FAILED = "00000000-0000-4000-8000-000000000050"
DETAILS = "document.querySelector('#turns tr.details')?.innerText ?? ''"
GRANTED = ["clipboardReadWrite", "clipboardSanitizedWrite"]


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[RunningDashboard]:
    record_turns(tmp_path)
    with running_dashboard(tmp_path) as running:
        yield running


async def choose(page: Page, name: str, value: str) -> None:
    """Choose an option of a filter as a user does: with a `change` event."""
    await page.evaluate(
        f"((box) => {{ box.value = {value!r}; box.dispatchEvent(new Event('change', {{bubbles: true}})); }})"
        f"(document.querySelector('select[name={name}]'))"
    )


async def test_row_opens_by_keyboard_with_message_attempts_id_and_copy(
    dashboard: RunningDashboard,
) -> None:
    async with opened(dashboard.url("?status=failed")) as page:
        await is_live(page)
        assert await rows(page) == 2
        origin = dashboard.bare_url()
        await page.call(
            "Browser.grantPermissions", permissions=GRANTED, origin=origin, **page.context
        )
        assert await page.evaluate(DETAILS) == ""
        await page.evaluate("document.querySelector('#turns button.open').focus()")
        await page.press("Enter", "\r")
        await shows(
            page,
            "The upstream takes no more requests for now. Type `codex-shim usage`.",
            FAILED,
            "connect · 0.40 s",
            "429 · 0.50 s · tried again after: connect",
        )
        assert await page.evaluate("document.activeElement.ariaExpanded") == "true"
        for _ in range(2):
            await page.press("Tab")
        assert await page.evaluate("document.activeElement.ariaLabel") == "Copy the id"
        await page.press("Enter", "\r")
        await shows(page, "Copied")
        assert await page.evaluate_async("navigator.clipboard.readText()") == FAILED
        await page.click("#turns tr.turn td.number")
        await page.wait_for("!document.querySelector('#turns tr.details')")


async def test_open_row_and_focus_stay_when_another_turn_ends(dashboard: RunningDashboard) -> None:
    async with opened(dashboard.url()) as page:
        await is_live(page)
        await page.click("#turns tr.turn:nth-child(2) button.open")
        before = await page.evaluate(DETAILS)
        assert DESCRIPTION in before
        await page.evaluate("window.focused = document.activeElement")
        dashboard.chat.play(say("hi"))
        dashboard.post(OTHER_NAME).ended()
        await shows(page, OTHER_NAME)
        assert await page.evaluate(DETAILS) == before
        assert await page.evaluate(
            "document.activeElement === focused && focused !== document.body"
        )


async def test_filters_are_in_the_address_and_outlive_a_reload(dashboard: RunningDashboard) -> None:
    async with opened(dashboard.url()) as page:
        await is_live(page)
        await shows(page, "60 turns", DESCRIPTION)
        await choose(page, "model", "big")
        await shows(page, "20 turns")
        await choose(page, "thread", THREADS[0])
        await shows(page, "10 turns")
        address = dashboard.bare_url(f"?model=big&thread={THREADS[0]}")
        assert await page.evaluate("location.href") == address
        await page.call("Page.reload")
        await page.wait_for("document.getElementById('count')?.textContent === '10 turns'")
        assert await page.evaluate("document.querySelector('select[name=model]').value") == "big"
        await choose(page, "model", SLUGS["chat"])
        await choose(page, "status", "failed")
        await page.wait_for("document.getElementById('count').textContent === '2 turns'")
        await choose(page, "model", "gpt-5.5")
        await shows(page, "No turn matches the filters.")
        await page.click("#filters [type=reset]")
        await shows(page, "60 turns")
        assert await page.evaluate("location.href") == dashboard.bare_url()


async def test_time_span_outlives_a_reload(dashboard: RunningDashboard) -> None:
    async with opened(dashboard.url()) as page:
        await is_live(page)
        await page.click("[data-since='30d']")
        assert await page.evaluate("location.href") == dashboard.bare_url("?since=30d")
        await page.call("Page.reload")
        await is_live(page)
        pressed = "document.querySelector('[data-since][aria-pressed=true]').dataset.since"
        assert await page.evaluate(pressed) == "30d"


async def test_only_this_thread_filters(dashboard: RunningDashboard) -> None:
    async with opened(dashboard.url()) as page:
        await is_live(page)
        await page.click("#turns tr.turn button.open")
        await page.click("#turns tr.details dd button")
        await shows(page, "30 turns")
        assert await page.evaluate("location.search") == f"?thread={THREADS[1]}"


async def test_percentiles_and_an_outlier_are_said(dashboard: RunningDashboard) -> None:
    async with opened(dashboard.url()) as page:
        await is_live(page)
        figures = await page.evaluate("document.getElementById('percentiles').innerText")
        assert figures.split("\n") == [
            "0.70 s · 1.10 s",
            "first delta, p50 · p95",
            "3.60 s · 5.60 s",
            "whole turn, p50 · p95",
        ]
        said = await page.evaluate("document.getElementById('outliers').innerText")
        assert re.fullmatch(
            r"1 turn beyond the chart \(▲\): the longest took 5 min 12 s \(fake-chat, [\d:]+\)\.",
            said,
        ), said
        marks = "document.querySelectorAll('#latency path.beyond').length"
        assert await page.evaluate(marks) == 1
        highest = "Math.max(...[...document.querySelectorAll('#latency text')].map((one) => one.textContent).filter((one) => one.endsWith(' s')).map(parseFloat))"
        assert await page.evaluate(highest) <= 8
        await choose(page, "model", "big")
        await page.wait_for("document.getElementById('outliers').hidden")


async def test_column_of_a_chart_opens_its_turn(dashboard: RunningDashboard) -> None:
    async with opened(dashboard.url()) as page:
        await is_live(page)
        await page.click(f"#latency g[data-id='{FAILED}'] .hit")
        await page.wait_for(f"{DETAILS.split('?.', maxsplit=1)[0]} !== null")
        assert FAILED in await page.evaluate(DETAILS)


async def test_recorded_quota_is_shown_with_window_reset_and_rate(
    dashboard: RunningDashboard,
) -> None:
    async with opened(dashboard.url()) as page:
        await is_live(page)
        await shows(page, "5 h window 42 %", "7 d window 86 %", "lasts until the reset")
        quota = await page.evaluate("document.getElementById('quota').innerText")
        lines = [line for line in quota.split("\n") if line]
        assert lines[0] == "ChatGPT"
        assert re.fullmatch(r"resets \d\d:\d\d \(in 1 h\)", lines[2]), lines
        assert re.fullmatch(r"1[45](\.\d)? % per hour: lasts until the reset", lines[3]), lines
        assert re.fullmatch(r"resets \w.* \d\d:\d\d \(in 3 d\)", lines[5]), lines
        assert re.fullmatch(r"2\.\d+ % per hour: empty at about \d\d:\d\d", lines[6]), lines
        high = "document.querySelectorAll('#quota .high').length"
        assert await page.evaluate(high) == 1


async def test_more_turns_are_shown_on_request(dashboard: RunningDashboard) -> None:
    async with opened(dashboard.url()) as page:
        await is_live(page)
        assert await rows(page) == 25
        await page.click("#more")
        assert await rows(page) == 50
        await page.click("#more")
        assert await rows(page) == 60
        assert await page.evaluate("document.getElementById('more').hidden")
