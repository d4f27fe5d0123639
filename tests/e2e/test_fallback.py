"""The real Codex on a used-up plan: a row of the user's own answers, ChatGPT is asked once, and the user sees why."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.e2e.codex_cli import CodexHome
from tests.e2e.conftest import StartShim
from tests.e2e.line import Line
from tests.fakes import scenarios
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.chatgpt_backend import ChatGptBackend
from tests.fakes.model_upstream import KEY, say

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180), pytest.mark.usefixtures("each_transport")]


@pytest.fixture
def other() -> Iterator[ChatUpstream]:
    with ChatUpstream() as running:
        yield running
    assert running.objections == []


@pytest.fixture
def line(
    user: CodexHome, backend: ChatGptBackend, other: ChatUpstream, start_shim: StartShim
) -> Line:
    row = {
        "slug": "spare",
        "model": "spare-chat",
        "provider": "generic-chat-completion-api",
        "base_url": other.base_url,
        "api_key": KEY,
        "max_context_limit": 200_000,
    }
    settings = user.state / "models.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps({"chatgpt": {"fallback": ["spare"]}, "models": [row]}))
    shim = start_shim(
        CODEX_SHIM_CHATGPT_BASE_URL=backend.base_url, CODEX_SHIM_SETTINGS=str(settings)
    )
    return Line(user, backend, f"http://127.0.0.1:{shim.port}/v1", dict(user.provider or {}))


def test_used_up_plan_is_asked_once_and_the_user_sees_who_answers(
    line: Line, other: ChatUpstream
) -> None:
    line.backend.play(scenarios.usage_limit_reached(3_600))
    other.play(say("first"), say("second"), say("third"))
    line.configure(settings={"model_reasoning_summary": "auto"})

    runs = [line.exec("go"), line.exec("go on", "resume", "--last"), line.exec("something else")]

    assert [run.messages for run in runs] == [["first"], ["second"], ["third"]]
    assert len(line.backend.turns) == 1
    for run in runs:
        (notice,) = [str(item["text"]) for item in run.items_of("reasoning")]
        assert "gpt-5.5 is used up until" in notice
        assert notice.endswith("answered by spare.")
    assert "is used up" not in json.dumps(other.bodies)
