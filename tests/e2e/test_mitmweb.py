"""Codex through mitmweb: hold, edit, resume, kill and replay a turn, and what Codex shows for each."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.browser.conftest import SLUGS, write_settings
from tests.e2e.codex_cli import CodexHome, Run
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.http_messages import Gate
from tests.fakes.messages_upstream import MessagesUpstream
from tests.fakes.model_upstream import KEY, Held, ModelUpstream, say
from tests.support.mitmweb import Mitmweb

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

PROMPT = "Say the word apricot."
BY_HAND = "This turn was ended by hand in mitmproxy."


@dataclass(frozen=True, slots=True)
class Setup:
    """Codex, mitmweb and the upstreams of one test."""

    user: CodexHome
    web: Mitmweb
    upstreams: dict[str, ModelUpstream]
    settings: Path

    @property
    def chat(self) -> ModelUpstream:
        return self.upstreams["chat"]


@pytest.fixture
def setup(user: CodexHome, tmp_path: Path) -> Iterator[Setup]:
    with ExitStack() as stack:
        upstreams: dict[str, ModelUpstream] = {
            "chat": stack.enter_context(ChatUpstream()),
            "messages": stack.enter_context(MessagesUpstream()),
        }
        settings = tmp_path / "models.json"
        write_settings(settings, upstreams)
        user.extra_env["CODEX_SHIM_SETTINGS"] = str(settings)
        web = stack.enter_context(Mitmweb(user.env, tmp_path / "web.log"))
        user.configure(f"http://127.0.0.1:{web.port}/v1", SLUGS["chat"])
        yield Setup(user, web, upstreams, settings)


class Running(threading.Thread):
    """A `codex exec` in the background."""

    def __init__(self, user: CodexHome) -> None:
        super().__init__(daemon=True)
        self._user = user
        self._run: Run | None = None
        self.start()

    def run(self) -> None:
        self._run = self._user.exec(PROMPT, timeout=90)

    @property
    def done(self) -> bool:
        return not self.is_alive()

    def result(self) -> Run:
        self.join(100)
        assert self._run is not None, "codex exec did not end"
        return self._run


def intercepted(setup: Setup) -> str:
    """Return the id of the turn that is held in mitmweb."""
    setup.web.wait_for(lambda: any(flow["intercepted"] for flow in setup.web.turns()))
    return setup.web.turn()


def test_held_turn_can_be_edited_and_resumed(setup: Setup) -> None:
    idle_ms = 1500
    setup.user.configure(f"http://127.0.0.1:{setup.web.port}/v1", SLUGS["chat"], stream_idle_timeout_ms=idle_ms)  # fmt: skip
    setup.chat.play(say("apricot, says chat"))
    setup.upstreams["messages"].play(say("banana, says messages"))
    setup.web.option(intercept="~u /v1/responses")
    codex = Running(setup.user)
    flow = intercepted(setup)

    # longer than Codex waits for an event once an answer has begun
    codex.join(3 * idle_ms / 1000)
    assert not codex.done
    assert [upstream.bodies for upstream in setup.upstreams.values()] == [[], []]
    body = setup.web.body(flow).decode()
    edited = body.replace("apricot", "banana").replace(f'"model":"{SLUGS["chat"]}"', f'"model":"{SLUGS["messages"]}"')  # fmt: skip
    assert edited.count(SLUGS["messages"]) == 1
    setup.web.edit(flow, edited)
    setup.web.act(flow, "resume")
    run = codex.result()

    assert run.code == 0, run.stderr
    assert run.messages == ["banana, says messages"]
    assert setup.chat.bodies == []
    (sent,) = setup.upstreams["messages"].bodies
    assert "Say the word banana." in json.dumps(sent)
    assert "apricot" not in json.dumps(sent)


def test_kill_of_a_held_turn_sends_nothing(setup: Setup) -> None:
    setup.web.option(intercept="~u /v1/responses")
    codex = Running(setup.user)

    setup.web.act(intercepted(setup), "kill")
    run = codex.result()

    assert run.code != 0
    assert BY_HAND in run.errors
    assert len(setup.web.turns()) == 1
    assert setup.chat.bodies == []


def test_kill_of_a_running_turn_stops_the_upstream(setup: Setup) -> None:
    gate = Gate()
    setup.chat.play(Held(say("apricot apricot apricot"), b"apricot", gate))
    codex = Running(setup.user)
    gate.wait_reached()

    setup.web.act(setup.web.turn(), "kill")
    run = codex.result()

    assert setup.chat.client_left.wait(20)
    assert run.code != 0
    assert BY_HAND in run.errors
    assert len(setup.web.turns()) == 1
    assert len(setup.chat.bodies) == 1


def test_deleted_turn_ends_like_a_killed_turn(setup: Setup) -> None:
    gate = Gate()
    setup.chat.play(Held(say("apricot apricot apricot"), b"apricot", gate))
    codex = Running(setup.user)
    gate.wait_reached()

    setup.web.ask("DELETE", f"/flows/{setup.web.turn()}")

    assert BY_HAND in codex.result().errors
    assert setup.chat.client_left.wait(20)
    assert setup.web.turns() == []


def replay(setup: Setup, flow: str) -> None:
    """Replay a flow once no replay is running: mitmproxy refuses a flow that is being replayed."""
    setup.web.wait_for(lambda: setup.web.command("replay.client.count") == 0)
    setup.web.act(flow, "replay")


def test_replay_is_translated_again_with_the_current_key(setup: Setup) -> None:
    setup.chat.play(say("apricot"), say("apricot again"))
    assert setup.user.exec(PROMPT).messages == ["apricot"]
    flow = setup.web.turn()

    replay(setup, flow)
    setup.web.wait_for(lambda: len(setup.chat.bodies) == 2 and setup.web.ended(flow))
    first, second = setup.chat.bodies
    assert first == second
    assert "apricot again" in setup.web.view(flow, "response")["text"]

    # a new key, and a model with another protocol: nothing of the first translation may remain
    write_settings(setup.settings, setup.upstreams, "sk-not-the-key-of-the-upstream")
    setup.web.edit(flow, setup.web.body(flow).decode().replace(f'"model":"{SLUGS["chat"]}"', f'"model":"{SLUGS["messages"]}"'))  # fmt: skip
    replay(setup, flow)
    messages = setup.upstreams["messages"]
    setup.web.wait_for(lambda: messages.requests and setup.web.ended(flow))
    assert messages.requests[-1].header("x-api-key") == "sk-not-the-key-of-the-upstream"
    write_settings(setup.settings, setup.upstreams, KEY)
    messages.play(say("apricot of the messages API"))
    replay(setup, flow)
    setup.web.wait_for(lambda: messages.bodies and setup.web.ended(flow) and "messages API" in setup.web.view(flow, "response")["text"])  # fmt: skip
    assert PROMPT in json.dumps(messages.bodies[-1])
