"""A model of ChatGPT hands a task over to a sub-agent whose model is a row: the real Codex, encrypted and as text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.e2e.codex_cli import CodexHome, Json, Run
from tests.e2e.newcomer import Newcomer
from tests.fakes import scenarios
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.chatgpt_backend import ChatGptBackend, decoded_body
from tests.fakes.model_upstream import KEY, ScriptedAnswer, call, say

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

TASK = "Count the files."
CIPHER = "gAAAAAB" + "q" * 120
PARENT = "gpt-6-sol"
NAMESPACE = "collaboration"


@pytest.fixture
def row() -> Iterator[ChatUpstream]:
    with ChatUpstream() as upstream:
        yield upstream


@pytest.fixture
def parent(
    request: pytest.FixtureRequest, user: CodexHome, backend: ChatGptBackend, row: ChatUpstream
) -> Iterator[Newcomer]:
    """A user with a row and a ChatGPT login; the parameter says which settings they have."""
    someone = Newcomer(user, {"CODEX_SHIM_CHATGPT_BASE_URL": backend.base_url})
    folder = user.home / ".codex-shim"
    folder.mkdir()
    models = [{"model": "own-1", "slug": "own", "provider": "openai-compatible", "base_url": row.base_url, "api_key": KEY}]  # fmt: skip
    (folder / "models.json").write_text(json.dumps({"models": models, **request.param}))
    backend.speaks_websocket = bool(request.param.get("websocket"))
    someone.ok("model", "use", PARENT)
    yield someone
    someone.end_all()


def hand_over(someone: Newcomer, backend: ChatGptBackend, message: str) -> Run:
    """Let the parent give a task to a sub-agent on the row, wait for it, and end."""
    task: Json = {"task_name": "count", "message": message, "model": "own", "fork_turns": "none"}
    backend.play(
        scenarios.turn(scenarios.function_call("spawn_agent", task, "call_1", NAMESPACE)),
        scenarios.turn(scenarios.function_call("wait_agent", {}, "call_2", NAMESPACE)),
        scenarios.text("done"),
    )
    return someone.home.exec("have the files counted")


def payloads(backend: ChatGptBackend) -> list[Json]:
    """Return the turns that the backend got, by HTTP or as frames."""
    return [decoded_body(request) for request in backend.turns]


@pytest.mark.parametrize(
    "parent", [{"chatgpt": {"plain_handover": True}}, {"chatgpt": {"plain_handover": True}, "websocket": True}], indirect=True, ids=["http", "websocket"]
)  # fmt: skip
def test_task_arrives_as_text(parent: Newcomer, backend: ChatGptBackend, row: ChatUpstream) -> None:
    row.play(say("three files"))

    run = hand_over(parent, backend, TASK)

    assert run.messages == ["done"], run.errors
    assert TASK in json.dumps(row.bodies[0]["messages"])
    turns = payloads(backend)
    assert any("spawn_agent" in json.dumps(turn) for turn in turns)
    assert '"encrypted": true' not in json.dumps(turns)
    assert "three files" in json.dumps(turns[-1])
    assert bool(backend.sockets) == backend.speaks_websocket


@pytest.mark.parametrize("parent", [{}], indirect=True)
def test_encrypted_task_is_an_error_that_names_the_setting(
    parent: Newcomer, backend: ChatGptBackend, row: ChatUpstream
) -> None:
    run = hand_over(parent, backend, CIPHER)

    assert run.messages == ["done"], run.errors
    assert row.bodies == []
    turns = payloads(backend)
    assert '"encrypted": true' in json.dumps(turns[0])
    assert "plain_handover" in json.dumps(turns[-1])


def wait_for_the_child(body: Json) -> ScriptedAnswer:
    """Return the call that waits for the agent which the last output names."""
    found = re.search(r"agent_id\W+([0-9a-f-]{36})", json.dumps(body))
    assert found
    return say("", call("wait_agent", id="call_2", targets=[found[1]]))


@pytest.mark.parametrize(
    "parent", [{}, {"websocket": True}], indirect=True, ids=["http", "websocket"]
)
def test_task_of_a_parent_on_a_row_arrives_at_chatgpt(
    parent: Newcomer, backend: ChatGptBackend, row: ChatUpstream
) -> None:
    parent.ok("model", "use", "own")
    task = call("spawn_agent", message=TASK, model=PARENT)
    row.play(say("", task), wait_for_the_child, say("done"))
    backend.play(scenarios.text("three files"))

    run = parent.home.exec("have the files counted")

    assert run.messages == ["done"], run.errors
    (child,) = payloads(backend)
    assert child["model"] == PARENT
    assert TASK in json.dumps(child["input"])
    assert "encrypted_content" not in json.dumps(child["input"])
    assert "three files" in json.dumps(row.bodies[-1]["messages"])
