"""A real mitmweb: a translated tool turn is readable, and nothing that it shows or saves contains a secret."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import SECRETS, SLUGS, Stage
from tests.e2e.leaks import leaks, leaks_in_files
from tests.fakes.http_messages import Gate
from tests.fakes.model_upstream import Held, ScriptedAnswer, Usage, command
from tests.support.chromium import artifact, chromium
from tests.support.codex_client import Posted, request
from tests.support.mitmweb import Mitmweb

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

ANSWER = ScriptedAnswer(
    text="I will list the files first.",
    thought="A list is the quickest way to see what is here.",
    calls=(command("ls -la\ngit status --short"),),
    usage=Usage(input=18_200, read=17_000, output=640, reasoning=120),
)
COMMENT = r"fake-claude → claude-sonnet-4-5 · 200 · TTFT [\d.]+ s · \d+ tok/s · in 18\.2k \(cached 17k\) out 640 · via 127\.0\.0\.1:\d+ \(messages\) · dropped hosted tool web_search"
ANSWER_SECONDS = 1.2
"""How long the answer takes: a rate of tokens needs a while."""
VIEWS = ("Codex request", "Codex turn", "Codex wire", "raw", "JSON")


def shown(web: Mitmweb, folder: Path) -> Iterator[bytes]:
    """Yield everything that mitmweb shows of the newest turn: API, views, exports."""
    flow = web.turn()
    yield web.ask("GET", "/flows")
    yield web.ask("GET", "/flows/dump")
    yield web.ask("GET", "/events")
    for message in ("request", "response"):
        if message == "request" or web.ended(flow):
            yield web.body(flow, message)
            for view in VIEWS:
                yield json.dumps(web.view(flow, message, view)).encode()
    for kind in ("curl", "httpie", "raw_request"):
        yield str(web.command("export", kind, "~u responses")).encode()
    har = folder / "turns.har"
    web.command("save.har", "@all", str(har))
    yield har.read_bytes()


@pytest.mark.parametrize("protocol", ["chat", "messages"])
def test_mitmweb_shows_exports_and_saves_no_secret(
    stage: Stage, protocol: str, tmp_path: Path
) -> None:
    gate = Gate()
    stage.upstreams[protocol].play(Held(ANSWER, b"I will", gate))
    turn = Posted(stage.web.port, request(SLUGS[protocol]))
    gate.wait_reached()

    during = list(shown(stage.web, tmp_path))
    gate.open()
    assert b"response.completed" in turn.ended()
    stage.web.wait_for(lambda: stage.web.ended(stage.web.turn()))
    after = list(shown(stage.web, tmp_path))

    assert any(b"Which files are here?" in part for part in during)
    assert any(b"git status" in part for part in after)
    assert [leaks(part, SECRETS) for part in (*during, *after) if leaks(part, SECRETS)] == []
    stage.web.stop()
    assert b"Which files are here?" in stage.saved.read_bytes()
    assert leaks_in_files([tmp_path / "web.log", stage.saved], SECRETS) == {}


async def test_translated_tool_turn_is_readable_in_the_browser(
    stage: Stage, tmp_path: Path
) -> None:
    flow = await a_turn_that_takes_a_while(stage)
    assert stage.web.is_refused_without_password()
    (comment,) = (str(each["comment"]) for each in stage.web.turns())
    assert re.fullmatch(COMMENT, comment), comment
    assert stage.web.command("export", "curl", "~meta \"'route': 'anthropic'\"")

    async with chromium() as page:
        await page.go(f"{stage.web.url}#/flows/{flow}/response")
        await page.wait_for("document.body.innerText.includes('RESPONSE TO CODEX')")
        text = await page.text()
        await page.screenshot(artifact("mitmweb-turn.png", tmp_path))
        # the page reads the fragment only when it is loaded
        await page.go("about:blank")
        await page.go(f"{stage.web.url}#/flows/{flow}/request")
        await page.wait_for("document.body.innerText.includes('TOOLS (2)')")
        await page.screenshot(artifact("mitmweb-request.png", tmp_path))

    stages = (
        "1 · REQUEST FROM CODEX",
        "2 · ATTEMPT 1: REQUEST",
        "3 · ATTEMPT 1: RESPONSE",
        "4 · RESPONSE TO CODEX",
    )
    assert [text.index(each) for each in stages] == sorted(text.index(each) for each in stages)
    sent, answered = (text.split(each)[1] for each in stages[1:3])
    assert f"POST {stage.upstreams['messages'].base_url}/messages" in sent
    assert "x-api-key: <secret>" in sent
    assert "s  content_block_delta" in answered.partition("TIMES")[2]
    assert "dropped: hosted tool web_search" in text
    for line in ("I will list the files first.", "CALL exec_command · call_1", "ls -la", "git status --short", "ENDED: response.completed", "in 18,200 (cached 17,000) · out 640"):  # fmt: skip
        assert line in text, text


async def a_turn_that_takes_a_while(stage: Stage) -> str:
    """Return the flow of a turn whose answer was under way for `ANSWER_SECONDS`."""
    gate = Gate()
    stage.upstreams["messages"].play(Held(ANSWER, b"I will", gate))
    turn = Posted(stage.web.port, request(SLUGS["messages"]))
    gate.wait_reached()
    asyncio.get_running_loop().call_later(ANSWER_SECONDS, gate.open)
    assert b"response.completed" in await asyncio.to_thread(turn.ended)
    return stage.web.turn()
