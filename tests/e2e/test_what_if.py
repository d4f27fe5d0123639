"""A turn of the real Codex with a tool call, asked again of a model of another protocol: from a cassette and from the running shim."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from addons.adapters.system.local_token import ensure_token
from tests.e2e.codex_cli import CodexHome
from tests.e2e.shim import Shim, finished, logged_turns, shim_command
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.messages_upstream import MessagesUpstream
from tests.fakes.model_upstream import KEY, Refuse, command, say
from tests.shim_cli.served import ForkedShim

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

PROMPT = "look around, then greet me"
MARKER = "ran-by-codex"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A shim that records, after a session of Codex with a tool call."""

    user: CodexHome
    shim: Shim
    chat: ChatUpstream
    messages: MessagesUpstream
    cassette: Path
    settings: Path

    def what_if(self, *args: str) -> subprocess.CompletedProcess[str]:
        flags = ("--port", str(self.shim.port), "--settings", str(self.settings))
        return finished(shim_command("what-if", *args, *flags), self.user.env, self.user.workspace)


@pytest.fixture(params=[False, True], ids=["http", "websocket"])
def recorded(request: pytest.FixtureRequest, user: CodexHome, tmp_path: Path) -> Iterator[Recorded]:
    settings, file = tmp_path / "models.json", tmp_path / "turns.jsonl"
    with ExitStack() as stack:
        chat, messages = (
            stack.enter_context(ChatUpstream()),
            stack.enter_context(MessagesUpstream()),
        )
        rows = [
            {"model": "fake-chat", "provider": "generic-chat-completion-api", "base_url": chat.base_url, "api_key": KEY},
            {"model": "claude-sonnet-4-5", "slug": "fake-claude", "provider": "anthropic", "base_url": messages.base_url, "api_key": KEY},
        ]  # fmt: skip
        settings.write_text(json.dumps({"models": rows}))
        token = ensure_token(user.env)
        chat.play(say("I look.", command(f"echo {MARKER} >> ran.txt")), say("Hello, all done."))
        flags = (str(file), "--settings", str(settings))
        shim = stack.enter_context(ForkedShim(user.env, tmp_path / "record.log", "record", *flags))
        url, own = f"http://127.0.0.1:{shim.port}/v1", {"x-codex-shim-token": token}
        user.configure(url, "fake-chat", supports_websockets=bool(request.param), http_headers=own)
        run = user.exec(PROMPT)
        assert run.messages[-1:] == ["Hello, all done."], run.errors + run.stderr
        yield Recorded(user, shim, chat, messages, file, settings)


def test_turn_of_codex_is_asked_of_other_models_and_no_tool_runs(
    recorded: Recorded, tmp_path: Path
) -> None:
    ran = recorded.user.workspace / "ran.txt"
    assert ran.read_text() == f"{MARKER}\n"
    recorded.messages.play(
        say("I would look too.", command(f"echo {MARKER} >> ran.txt; rm -rf /")),
        say("Good day to you."),
    )
    recorded.chat.play(Refuse(400, "the model is on holiday"))

    # the first turn, from the cassette: on another protocol, and on one that refuses
    page = tmp_path / "page.html"
    done = recorded.what_if(
        f"{recorded.cassette}:1", "--as", "fake-claude", "fake-chat", "--json", "--html", str(page)
    )
    found = json.loads(done.stdout)
    claude, refused = found["answers"]
    assert done.returncode == 1, "one of them failed"
    assert found["original"]["text"] == "I look."
    assert [one["name"] for one in found["original"]["calls"]] == ["exec_command"]
    assert (claude["outcome"], claude["text"]) == ("completed", "I would look too.")
    assert [one["name"] for one in claude["calls"]] == ["exec_command"]
    assert "rm -rf /" in claude["calls"][0]["arguments"]
    assert claude["usage"]["output"] == 34
    assert claude["cost"] > 0
    assert refused["outcome"] == "failed"
    assert "the model is on holiday" in refused["problem"]["message"]
    text = page.read_text()
    assert "<ins>" in text
    assert "<script" not in text

    # the newest turn of the running shim is still the one of Codex, with the output of its tool
    last = recorded.what_if("LAST", "--as", "fake-claude")
    assert last.returncode == 0, last.stderr
    assert "Good day to you." in last.stdout
    sent = json.dumps(recorded.messages.bodies[-1])
    assert PROMPT in sent
    assert "tool_result" in sent

    # nothing was run, and no turn is in the thread of Codex
    assert ran.read_text() == f"{MARKER}\n"
    recorded.shim.stop()  # the last turn is logged after its answer
    turns = logged_turns(recorded.user.state)
    agents = [line.get("agent") for line in turns]
    assert agents == ["user", "user", "what-if", "what-if", "what-if"]
    assert len({line["thread"] for line in turns[:2]} & {line["thread"] for line in turns[2:]}) == 0
