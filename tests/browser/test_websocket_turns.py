"""A real mitmweb: the turn of a WebSocket's frame is as readable as the same turn by HTTP."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.browser.conftest import SECRETS, SLUGS, Stage
from tests.e2e.leaks import leaks
from tests.fakes.model_upstream import ScriptedAnswer, Usage, command
from tests.support.chromium import Page, artifact, chromium
from tests.support.codex_client import HEADERS, Posted, request
from tests.support.websocket import websocket

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

ANSWER = ScriptedAnswer(
    text="I will list the files first.",
    thought="A list is the quickest way to see what is here.",
    calls=(command("ls -la"),),
    usage=Usage(input=18_200, read=17_000, output=640),
)
VIEWS = ("Codex request", "Codex turn")
LINES = tuple(f"{name}: {value}".encode() for name, value in HEADERS.items() if name.lower() != "content-type")  # fmt: skip
_VARIES = re.compile(r"\b(?:resp|msg|rs|fc)_\w+|[\d.,]+")


def alike(text: str) -> list[str]:
    """Return the lines of a page without ids, times and sizes."""
    lines = (_VARIES.sub("#", line).strip() for line in text.splitlines())
    return [line for line in lines if line]


async def shown(page: Page, stage: Stage, flow: str, message: str, mark: str) -> str:
    """Return what the page shows of a message below its headers, once it holds a mark."""
    # the page reads the fragment only when it is loaded
    await page.go("about:blank")
    await page.go(f"{stage.web.url}#/flows/{flow}/{message}")
    await page.wait_for(f"document.body.innerText.includes({json.dumps(mark)})")
    _, controls, content = (await page.text()).partition("View: auto")
    assert controls
    return content


async def test_turn_of_a_frame_is_as_readable_as_one_by_http(stage: Stage, tmp_path: Path) -> None:
    stage.upstreams["messages"].play(ANSWER, ANSWER, ANSWER)
    body = request(SLUGS["messages"])
    assert b"response.completed" in Posted(stage.web.port, body).ended()
    by_http = stage.web.turn()
    more = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Go on."}]}  # fmt: skip
    async with websocket(stage.web.port, *LINES) as socket:
        events = await socket.ask(**body)
        assert events[-1]["type"] == "response.completed"
        await socket.ask(**{**body, "input": [more], "previous_response_id": events[-1]["response"]["id"]})  # fmt: skip
    posts = [each for each in stage.web.turns() if each["request"]["method"] == "POST"]  # type: ignore[index]
    assert len(posts) == 3
    _, framed, continued = (str(each["id"]) for each in posts)
    stage.web.wait_for(lambda: stage.web.ended(continued))

    async with chromium() as page:
        for message, mark in (("response", "RESPONSE TO CODEX"), ("request", "TOOLS (2)")):
            first = await shown(page, stage, by_http, message, mark)
            second = await shown(page, stage, framed, message, mark)
            await page.screenshot(artifact(f"mitmweb-frame-{message}.png", tmp_path))
            assert alike(second) == alike(first)
        # a frame brings what is new, its flow holds the whole conversation
        text = await shown(page, stage, continued, "request", "Go on.")
    for line in ("Which files are here?", "I will list the files first.", "ls -la", "Go on."):
        assert line in text, text
    for flow in (framed, continued):
        for message, view in zip(("request", "response"), VIEWS, strict=True):
            assert leaks(json.dumps(stage.web.view(flow, message, view)).encode(), SECRETS) == []
