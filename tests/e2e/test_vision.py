"""The real Codex with `-i picture.png` on a row that takes no pictures: another row describes it, and the turn goes on."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from tests.boundary.vision_line import Models, has_picture, models, png
from tests.e2e.codex_cli import CodexHome
from tests.e2e.conftest import StartShim
from tests.e2e.line import Line
from tests.fakes.chatgpt_backend import ChatGptBackend
from tests.fakes.model_upstream import KEY, call, say

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180), pytest.mark.usefixtures("each_transport")]


@pytest.fixture
def two() -> Iterator[Models]:
    with models() as running:
        yield running


@pytest.fixture
def line(user: CodexHome, backend: ChatGptBackend, two: Models, start_shim: StartShim) -> Line:
    common = {"provider": "generic-chat-completion-api", "api_key": KEY}
    rows = [
        {
            "slug": "blind",
            "model": "blind-1",
            "base_url": two.blind.base_url,
            "vision": "eyes",
            **common,
        },
        {"slug": "eyes", "model": "eyes-1", "base_url": two.eyes.base_url, **common},
    ]
    settings = user.state / "models.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps({"models": rows}))
    shim = start_shim(
        CODEX_SHIM_CHATGPT_BASE_URL=backend.base_url, CODEX_SHIM_SETTINGS=str(settings)
    )
    (user.workspace / "picture.png").write_bytes(base64.b64decode(png(7).partition(",")[2]))
    return Line(user, backend, f"http://127.0.0.1:{shim.port}/v1", dict(user.provider or {}))


def test_attached_picture_is_described_once_for_the_whole_thread(line: Line, two: Models) -> None:
    line.configure("blind", settings={"model_reasoning_summary": "auto"})
    picture = str(line.user.workspace / "picture.png")
    two.eyes.default_answer = say("A red button that says OK.")
    two.blind.play(say("I see"), say("still"))

    first = line.exec("what is this?", "-i", picture)
    second = line.exec("go on", "resume", "--last")

    assert (first.messages, second.messages) == (["I see"], ["still"])
    assert len(two.eyes.bodies) == 1
    assert has_picture(two.eyes.bodies[0])
    assert all("A red button that says OK." in json.dumps(body) for body in two.blind.bodies)
    notices = [str(item["text"]) for item in first.items_of("reasoning")]
    assert any("A picture was described by eyes" in text for text in notices)
    assert not any("described by" in str(item["text"]) for item in second.items_of("reasoning"))


def test_picture_that_a_tool_shows_is_described(line: Line, two: Models) -> None:
    line.configure("blind")
    picture = str(line.user.workspace / "picture.png")
    two.blind.play(say("let me look", call("view_image", path=picture)), say("I see"))

    run = line.exec("look at picture.png")

    assert run.messages[-1] == "I see"
    assert len(two.eyes.bodies) == 1
    assert "A red button that says OK." in json.dumps(two.blind.bodies[-1])
