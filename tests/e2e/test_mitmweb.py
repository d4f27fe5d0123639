"""Codex through mitmweb: a turn is held, edited, let go, killed and sent again by hand, and Codex takes each rightly."""

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
from tests.fakes.messages_upstream import MessagesUpstream
from tests.fakes.model_upstream import KEY, Held, ModelUpstream, say
from tests.fakes.wire import Gate
from tests.support.mitmweb import Mitmweb

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

PROMPT = "Say the word apricot."
BY_HAND = "This turn was ended by hand in mitmproxy."


@dataclass(frozen=True, slots=True)
class Desk:
    """Codex, mitmweb and the upstreams, in one pair of hands."""

    user: CodexHome
    web: Mitmweb
    upstreams: dict[str, ModelUpstream]
    settings: Path

    @property
    def chat(self) -> ModelUpstream:
        return self.upstreams["chat"]


@pytest.fixture
def desk(user: CodexHome, tmp_path: Path) -> Iterator[Desk]:
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
        yield Desk(user, web, upstreams, settings)


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


def intercepted(desk: Desk) -> str:
    """The turn that waits in mitmweb."""
    desk.web.wait_for(lambda: any(flow["intercepted"] for flow in desk.web.turns()))
    return desk.web.turn()


def test_turn_is_held_edited_and_let_go_while_codex_waits(desk: Desk) -> None:
    idle_ms = 1500
    desk.user.configure(f"http://127.0.0.1:{desk.web.port}/v1", SLUGS["chat"], stream_idle_timeout_ms=idle_ms)  # fmt: skip
    desk.chat.play(say("apricot, says chat"))
    desk.upstreams["messages"].play(say("banana, says messages"))
    desk.web.option(intercept="~u /v1/responses")
    codex = Running(desk.user)
    flow = intercepted(desk)

    # longer than Codex waits for any event once an answer has begun
    codex.join(3 * idle_ms / 1000)
    assert not codex.done
    assert [upstream.bodies for upstream in desk.upstreams.values()] == [[], []]
    body = desk.web.body(flow).decode()
    edited = body.replace("apricot", "banana").replace(f'"model":"{SLUGS["chat"]}"', f'"model":"{SLUGS["messages"]}"')  # fmt: skip
    assert edited.count(SLUGS["messages"]) == 1
    desk.web.edit(flow, edited)
    desk.web.act(flow, "resume")
    run = codex.result()

    assert run.code == 0, run.stderr
    assert run.messages == ["banana, says messages"]
    assert desk.chat.bodies == []
    (sent,) = desk.upstreams["messages"].bodies
    assert "Say the word banana." in json.dumps(sent)
    assert "apricot" not in json.dumps(sent)


def test_kill_of_a_held_turn_ends_it_at_once_and_nothing_was_sent(desk: Desk) -> None:
    desk.web.option(intercept="~u /v1/responses")
    codex = Running(desk.user)

    desk.web.act(intercepted(desk), "kill")
    run = codex.result()

    assert run.code != 0
    assert BY_HAND in run.errors
    assert len(desk.web.turns()) == 1
    assert desk.chat.bodies == []


def test_kill_of_a_running_turn_ends_it_and_stops_the_upstream(desk: Desk) -> None:
    gate = Gate()
    desk.chat.play(Held(say("apricot apricot apricot"), b"apricot", gate))
    codex = Running(desk.user)
    gate.wait_reached()

    desk.web.act(desk.web.turn(), "kill")
    run = codex.result()

    assert desk.chat.client_left.wait(20)
    assert run.code != 0
    assert BY_HAND in run.errors
    assert len(desk.web.turns()) == 1
    assert len(desk.chat.bodies) == 1


def test_deleted_turn_ends_like_a_killed_one(desk: Desk) -> None:
    gate = Gate()
    desk.chat.play(Held(say("apricot apricot apricot"), b"apricot", gate))
    codex = Running(desk.user)
    gate.wait_reached()

    desk.web.ask("DELETE", f"/flows/{desk.web.turn()}")

    assert BY_HAND in codex.result().errors
    assert desk.chat.client_left.wait(20)
    assert desk.web.turns() == []


def replay(desk: Desk, flow: str) -> None:
    """Press the button when nothing is being sent again: mitmproxy would refuse a flow that is."""
    desk.web.wait_for(lambda: desk.web.command("replay.client.count") == 0)
    desk.web.act(flow, "replay")


def test_replay_is_translated_again_with_the_key_of_today(desk: Desk) -> None:
    desk.chat.play(say("apricot"), say("apricot again"))
    assert desk.user.exec(PROMPT).messages == ["apricot"]
    flow = desk.web.turn()

    replay(desk, flow)
    desk.web.wait_for(lambda: len(desk.chat.bodies) == 2 and desk.web.ended(flow))
    first, second = desk.chat.bodies
    assert first == second
    assert "apricot again" in desk.web.view(flow, "response")["text"]

    # a new key, and another model of another dialect: nothing of the first translation is left
    write_settings(desk.settings, desk.upstreams, "sk-not-the-key-of-the-upstream")
    desk.web.edit(flow, desk.web.body(flow).decode().replace(f'"model":"{SLUGS["chat"]}"', f'"model":"{SLUGS["messages"]}"'))  # fmt: skip
    replay(desk, flow)
    messages = desk.upstreams["messages"]
    desk.web.wait_for(lambda: messages.requests and desk.web.ended(flow))
    assert messages.requests[-1].header("x-api-key") == "sk-not-the-key-of-the-upstream"
    write_settings(desk.settings, desk.upstreams, KEY)
    messages.play(say("apricot of the messages API"))
    replay(desk, flow)
    desk.web.wait_for(lambda: messages.bodies and "messages API" in desk.web.view(flow, "response")["text"])  # fmt: skip
    assert PROMPT in json.dumps(messages.bodies[-1])
