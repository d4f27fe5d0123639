"""One lead and cheap hands: a parent at ChatGPT with a child on a chat row and one on a messages row, at the same time."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from addons.adapters.ledger.agent_trees import read_agent_trees
from addons.adapters.ledger.usage_report import shipped_prices
from addons.adapters.system.paths import ledger_file
from tests.e2e.codex_cli import CodexHome, Json
from tests.e2e.newcomer import Newcomer
from tests.fakes import scenarios
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.chatgpt_backend import ChatGptBackend, decoded_body
from tests.fakes.messages_upstream import MessagesUpstream
from tests.fakes.model_upstream import KEY, ScriptedAnswer, say
from tests.support.waiting import LONGEST

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

PARENT = "gpt-6-sol"
NAMESPACE = "collaboration"
TASKS = {"files": "Count the files.", "words": "Count the words."}
RESULTS = {"files": "three files", "words": "nine words"}


@pytest.fixture
def chat() -> Iterator[ChatUpstream]:
    with ChatUpstream() as upstream:
        yield upstream


@pytest.fixture
def messages() -> Iterator[MessagesUpstream]:
    with MessagesUpstream() as upstream:
        yield upstream


@pytest.fixture
def lead(
    user: CodexHome, backend: ChatGptBackend, chat: ChatUpstream, messages: MessagesUpstream
) -> Iterator[Newcomer]:
    someone = Newcomer(user, {"CODEX_SHIM_CHATGPT_BASE_URL": backend.base_url})
    folder = user.home / ".codex-shim"
    folder.mkdir()
    models = [
        {"model": "own-1", "slug": "files-model", "provider": "openai-compatible", "base_url": chat.base_url, "api_key": KEY},
        {"model": "own-2", "slug": "words-model", "provider": "anthropic", "base_url": messages.base_url, "api_key": KEY},
    ]  # fmt: skip
    settings = {"models": models, "chatgpt": {"plain_handover": True}}
    (folder / "models.json").write_text(json.dumps(settings))
    someone.ok("model", "use", PARENT)
    yield someone
    someone.end_all()


def spawn(name: str) -> scenarios.Item:
    task: Json = {
        "task_name": name,
        "message": TASKS[name],
        "model": f"{name}-model",
        "fork_turns": "none",
    }
    return scenarios.function_call("spawn_agent", task, f"call_{name}", NAMESPACE)


def wait(number: int) -> scenarios.Item:
    return scenarios.function_call("wait_agent", {}, f"call_wait_{number}", NAMESPACE)


def test_both_children_get_their_tasks_and_the_parent_both_results(
    lead: Newcomer, backend: ChatGptBackend, chat: ChatUpstream, messages: MessagesUpstream
) -> None:
    both_run, first_is_known = threading.Barrier(2), threading.Event()

    def answers(name: str, before: Callable[[], object]) -> Callable[[Json], ScriptedAnswer]:
        def answer(_: Json) -> ScriptedAnswer:
            both_run.wait(LONGEST)
            before()
            return say(RESULTS[name])

        return answer

    def first_result_is_known() -> None:
        while not any(RESULTS["files"] in json.dumps(decoded_body(one)) for one in backend.turns):
            first_is_known.wait(0.01)

    chat.play(answers("files", lambda: None))
    messages.play(answers("words", first_result_is_known))
    backend.play(
        scenarios.turn(spawn("files"), spawn("words")),
        scenarios.turn(wait(1)),
        scenarios.turn(wait(2)),
        scenarios.text("done"),
    )

    run = lead.home.exec("have files and words counted")

    assert run.messages == ["done"], run.errors
    assert TASKS["files"] in json.dumps(chat.bodies[0]["messages"])
    assert TASKS["words"] in json.dumps(messages.bodies[0]["messages"])
    assert TASKS["words"] not in json.dumps(chat.bodies)
    assert TASKS["files"] not in json.dumps(messages.bodies)
    last = json.dumps(decoded_body(backend.turns[-1])["input"])
    assert all(result in last for result in RESULTS.values())
    assert (len(backend.turns), len(chat.bodies), len(messages.bodies)) == (4, 1, 1)

    login = backend.account.access_token.encode()
    for request in (*chat.requests, *messages.requests):
        assert login not in request.head + request.body
        assert backend.account.account_id.encode() not in request.head
    assert [request.header("x-api-key") for request in chat.requests] == [None]
    assert [request.header("authorization") for request in messages.requests] == [None]
    assert all(KEY.encode() not in request.head + request.body for request in backend.requests)

    # the command ends when the shim has, and with it what writes the ledger
    lead.run("stop")
    with closing(sqlite3.connect(ledger_file(lead.home.env))) as db:
        rows = db.execute(
            "SELECT slug, agent, thread, root, parent FROM turns ORDER BY id"
        ).fetchall()
    [parent] = {thread for _, agent, thread, _, _ in rows if agent == "user"}
    children = {
        slug: (agent, root, above) for slug, agent, thread, root, above in rows if thread != parent
    }
    expected = ("sub-agent", parent, parent)
    assert children == {"files-model": expected, "words-model": expected}
    assert len({thread for _, _, thread, _, _ in rows}) == 3
    totals = json.loads(lead.ok("usage", "--by", "agent", "--json"))
    assert {one["key"]: one["turns"] for one in totals["totals"]} == {"user": 4, "sub-agent": 2}
    tree = read_agent_trees(ledger_file(lead.home.env), 0, shipped_prices())
    assert next((one["depth"], one["slugs"]) for one in tree) == (0, [PARENT])
    assert sorted((one["depth"], one["slugs"]) for one in tree[1:]) == [
        (1, ["files-model"]),
        (1, ["words-model"]),
    ]
