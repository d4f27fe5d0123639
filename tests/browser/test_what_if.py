"""A comparison in a real mitmweb and in a browser: new flows, a page that is readable, and no text of a model that acts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.conftest import SLUGS, Stage
from tests.core.what_if.test_page import hostile_page
from tests.fakes.model_upstream import ScriptedAnswer, Usage, command
from tests.support.chromium import artifact, chromium
from tests.support.codex_client import Posted, request

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

RECORDED = ScriptedAnswer(
    text="I will list the files first, and then say what I have found.",
    calls=(command("ls -la"),),
    usage=Usage(input=18_200, read=17_000, output=640, reasoning=120),
)
ANOTHER = ScriptedAnswer(
    text="I will look at the files and at the history first, and then say what I have found.",
    calls=(command("ls -la && git log --oneline -5"),),
    usage=Usage(input=19_300, output=410, reasoning=0),
)


async def test_compared_turn_is_readable_in_the_browser(stage: Stage, tmp_path: Path) -> None:
    web = stage.web
    stage.upstreams["chat"].play(RECORDED)
    stage.upstreams["messages"].play(ANOTHER)
    assert b"response.completed" in Posted(web.port, request(SLUGS["chat"])).ended()
    flow = web.turn()
    web.wait_for(lambda: web.ended(flow))
    said = str(web.command("codexshim.whatif", f"@{flow}", SLUGS["messages"]))
    path = Path(said.removeprefix("The page will be "))
    web.wait_for(path.exists)
    assert len(web.turns()) == 2, "the answer is a flow"
    assert f"What if: {path}" in web.ask("GET", "/events").decode()

    async with chromium(1280, 760) as page:
        await page.go(path.as_uri())
        await page.wait_for("document.querySelectorAll('section').length === 2")
        text = await page.text()
        await page.screenshot(artifact("what-if.png", tmp_path))
        marked = await page.evaluate("[...document.querySelectorAll('ins')].map(e => e.textContent).join('|')")  # fmt: skip
        await page.click("#plain")
        plain = await page.evaluate("document.querySelectorAll('section')[1].innerText")
    for line in (f"{SLUGS['chat']} (recorded)", SLUGS["messages"], "18,200", "19,300", "first token", "exec_command"):  # fmt: skip
        assert line in text, text
    assert "and at the history" in marked
    assert "git log --oneline -5" in plain
    assert "I will list" not in plain


async def test_text_of_a_model_acts_nowhere_on_the_page(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(hostile_page(), encoding="utf-8")
    async with chromium(height=900) as page:
        await page.call("Network.enable")
        await page.go(file.as_uri())
        await page.wait_for("document.querySelectorAll('section').length === 4")
        assert await page.evaluate("document.scripts.length + document.images.length + document.links.length") == 0  # fmt: skip
        assert "alert(1)" in await page.text(), "it is shown as text"
        # the policy holds also for what is put into the page later
        ran = "const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s); window.ran"  # fmt: skip
        assert await page.evaluate(f"(() => {{ {ran.replace('; window.ran', '; return window.ran ?? 0')} }})()") == 0  # fmt: skip
        asked = [event for event in page.events if event.get("method") == "Network.requestWillBeSent"]  # fmt: skip
        dialogs = [event for event in page.events if event.get("method") == "Page.javascriptDialogOpening"]  # fmt: skip
    assert [event["params"]["request"]["url"] for event in asked] == [file.as_uri()]
    assert dialogs == []
