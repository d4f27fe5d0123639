"""The list of mitmweb in a real browser: each turn with slug, state and outcome, and the filters of the documentation."""

from __future__ import annotations

import asyncio
import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.browser.conftest import SLUGS, Stage
from tests.fakes.http_messages import Gate
from tests.fakes.model_upstream import Broken, Ending, Held, Json, Refuse, ScriptedAnswer, say
from tests.support.chromium import Page, artifact, chromium
from tests.support.codex_client import Posted, request

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

ANSWER = say("I will list the files first.")
DOCUMENT = Path(__file__).parents[2] / "docs" / "observing.md"
OK = r"fake-claude → claude-sonnet-4-5 · 200 · TTFT .* · via 127\.0\.0\.1:\d+ \(messages\) · dropped hosted tool web_search"
FAILED = (
    r"🔴 fake-claude → claude-sonnet-4-5 · 200 · response\.failed · stream_interrupted · cut · .*"
)
REFUSED = r"🔴 nonsense · 404 · model_not_found"
RETRIED = r"🟡 fake-chat → fake-chat · 200 · 2 attempts · .*"
ANSWERING = r"fake-claude → claude-sonnet-4-5 · 200 · answering"
WAITING = r"fake-claude → claude-sonnet-4-5 · waiting for the answer"
KILLED = r"🔴 fake-claude · killed"
MODELS = r"GET /v1/models · 200"
UNKNOWN = r"🔴 GET /v1/nothing · 404"
HELD = r"fake-chat · held"
FILTERS = {
    "~u /v1/responses": (OK, FAILED, REFUSED, RETRIED, ANSWERING, HELD),
    "~comment gpt-5.5": (OK, FAILED, ANSWERING),
    '~comment "via chatgpt"': (OK, FAILED),
    "~comment held": (HELD,),
    "~comment answering": (ANSWERING,),
    "~comment dropped.*web_search": (OK, FAILED, RETRIED),
    "~marker red": (FAILED, REFUSED, UNKNOWN),
    "~marker yellow": (RETRIED,),
}
"""Filter of the documentation → what the list shows of the turns below."""
IN_THIS_TEST = {"gpt-5.5": SLUGS["messages"], "via chatgpt": "via 127.*messages"}


def ask(stage: Stage, path: str) -> None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{stage.web.port}{path}") as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        error.close()


async def rows(page: Page) -> list[str]:
    """Return the comment of each flow that the list shows, without what the stage itself asked for."""
    script = (
        "[...document.querySelectorAll('.flow-table td.col-comment')].map((cell) => cell.innerText)"
    )
    return [row for row in await page.evaluate(script) if "/health" not in row]


async def shows(page: Page, *patterns: str) -> None:
    """Wait until the list shows these flows, in this order, and no other."""
    shown: list[str] = []
    try:
        async with asyncio.timeout(20):
            while not matches(shown := await rows(page), patterns):  # noqa: ASYNC110  the page has no event
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError((shown, patterns)) from None


def matches(shown: list[str], patterns: tuple[str, ...]) -> bool:
    return len(shown) == len(patterns) and all(map(re.fullmatch, patterns, shown))


async def search(page: Page, text: str) -> None:
    """Type a filter into the search box, in place of the one before."""
    await page.evaluate("document.querySelector('input[placeholder=Search]').select()")
    await page.call("Input.insertText", text=text)


async def test_filters_of_the_documentation_work_in_the_page(stage: Stage, tmp_path: Path) -> None:
    documented = re.findall(r"^\| `(~(?!meta)[^`]+)` \|", DOCUMENT.read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(FILTERS)
    gate = Gate()
    claude, chat = stage.upstreams["messages"], stage.upstreams["chat"]
    claude.play(ANSWER, Broken(ANSWER, b"I will", Ending.FIN), Held(ANSWER, b"I will", gate))
    chat.play(Refuse(503, "busy"), ANSWER)
    for slug in (SLUGS["messages"], SLUGS["messages"], "nonsense", SLUGS["chat"]):
        Posted(stage.web.port, request(slug)).ended()
    running = Posted(stage.web.port, request(SLUGS["messages"]))
    gate.wait_reached()
    ask(stage, "/v1/models")
    ask(stage, "/v1/nothing")
    stage.web.option(intercept="~u /v1/responses")
    held = Posted(stage.web.port, request(SLUGS["chat"]))

    async with chromium(1280, 800) as page:
        await page.go(f"{stage.web.url}#/flows")
        every = (OK, FAILED, REFUSED, RETRIED, ANSWERING, MODELS, UNKNOWN, HELD)
        await shows(page, *every)
        await page.screenshot(artifact("mitmweb-list.png", tmp_path))
        for documented_filter, patterns in FILTERS.items():
            typed = documented_filter
            for word, instead in IN_THIS_TEST.items():
                typed = typed.replace(word, instead)
            await search(page, typed)
            await shows(page, *patterns)
            await search(page, "~all")
            await shows(page, *every)
    gate.open()
    running.ended()
    stage.web.act(stage.web.turn(), "kill")
    held.ended()


async def test_list_shows_the_state_of_a_turn_from_its_first_moment(stage: Stage) -> None:
    gate, at_head = Gate(), Gate()

    def waits(_: Json) -> ScriptedAnswer:
        at_head.wait_opened()
        return ANSWER

    stage.upstreams["messages"].play(waits, Held(ANSWER, b"I will", gate))
    stage.web.option(intercept="~u /v1/responses")
    async with chromium(1280, 800) as page:
        await page.go(f"{stage.web.url}#/flows")
        turn = Posted(stage.web.port, request(SLUGS["messages"]))
        await shows(page, r"fake-claude · held")
        stage.web.act(stage.web.turn(), "resume")
        await shows(page, WAITING)
        at_head.open()
        await shows(page, OK)
        turn.ended()

        killed = Posted(stage.web.port, request(SLUGS["messages"]))
        await shows(page, OK, r"fake-claude · held")
        stage.web.act(stage.web.turn(), "kill")
        await shows(page, OK, KILLED)
        killed.ended()

        stage.web.option(intercept="")
        streaming = Posted(stage.web.port, request(SLUGS["messages"]))
        gate.wait_reached()
        await shows(page, OK, KILLED, ANSWERING)
        gate.open()
        streaming.ended()
        await shows(page, OK, KILLED, OK)


@pytest.mark.parametrize("width", [1280, 1920])
async def test_comment_has_the_width_of_the_list(stage: Stage, width: int) -> None:
    Posted(stage.web.port, request("shim-demo")).ended()
    async with chromium(width, 800) as page:
        await page.go(f"{stage.web.url}#/flows")
        await shows(page, r"shim-demo → shim-demo · 200 · .*")
        headers = await page.evaluate(
            "[...document.querySelectorAll('.flow-table th')].map((cell) => cell.innerText)"
        )
        assert [name for name in headers if name] == ["Comment", "Time"]
        cell = "document.querySelector('.flow-table td.col-comment')"
        assert await page.evaluate(f"{cell}.offsetWidth") > 0.9 * width
        assert await page.evaluate(f"getComputedStyle({cell}).textAlign") == "left"


async def test_wire_view_of_a_demo_turn_shows_request_and_answer(stage: Stage) -> None:
    Posted(stage.web.port, request("shim-demo")).ended()
    flow = stage.web.turn()
    for message in ("request", "response"):
        text = stage.web.view(flow, message, "Codex wire")["text"]
        for part in ("no upstream was asked", "Which files are here?", "CALL exec_command", "ENDED: response.completed"):  # fmt: skip
            assert part in text, text
