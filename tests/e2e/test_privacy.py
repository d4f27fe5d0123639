"""The real Codex with the privacy gate: its commands and answers hold the values, and no request does."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.privacy.values import CARDS, EMAILS, KEYS
from tests.e2e.codex_cli import CodexHome, Run, installed_codex
from tests.e2e.shim import Shim, assert_websocket, logged_turns
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.model_upstream import KEY, Json, ScriptedAnswer, command, say

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

VALUES = (EMAILS[0], KEYS[0], CARDS[0])
PROMPT = f"Write to {EMAILS[0]} with the key {KEYS[0]}, and charge {CARDS[0]}."


@pytest.fixture(scope="module")
def upstream() -> Iterator[ChatUpstream]:
    with ChatUpstream() as running:
        yield running


@pytest.fixture(scope="module")
def shim_home(tmp_path_factory: pytest.TempPathFactory) -> CodexHome:
    return CodexHome(tmp_path_factory.mktemp("shim"), installed_codex())


@pytest.fixture(scope="module")
def shim(upstream: ChatUpstream, shim_home: CodexHome) -> Iterator[Shim]:
    settings = shim_home.root / "models.json"
    row = {"model": "fake-chat", "provider": "generic-chat-completion-api", "base_url": upstream.base_url, "api_key": KEY}  # fmt: skip
    settings.write_text(json.dumps({"models": [row]}))
    log = shim_home.root / "serve.log"
    with Shim(shim_home.env, log, "serve", "--settings", str(settings), "--privacy") as running:
        yield running
    assert "The privacy gate replaces keys, tokens, emails, phones, cards." in running.output
    assert "Traceback" not in running.output


def _placeholders(body: Json) -> dict[str, str]:
    """Return kind → placeholder of those in a request."""
    return {
        one.split("-")[1]: one
        for one in re.findall(r"masked-[a-z]+-[0-9a-z]{12}", json.dumps(body))
    }


def _asks(body: Json) -> ScriptedAnswer:
    shown = _placeholders(body)
    text = f"I write to {shown['email']}."
    return say(
        text, command(f"echo '{shown['email']} {shown['key']} {shown['card']}' | tee mail.txt")
    )


def _ends(body: Json) -> ScriptedAnswer:
    return say(f"Sent to {_placeholders(body)['email']}.")


def _run(root: Path, port: int, *, by_websocket: bool) -> Run:
    shutil.rmtree(root, ignore_errors=True)
    user = CodexHome(root, installed_codex())
    url = f"http://127.0.0.1:{port}/v1"
    user.configure(url, "fake-chat", supports_websockets=by_websocket, request_max_retries=0)
    return user.exec(PROMPT)


@pytest.mark.parametrize("by_websocket", [False, True], ids=["http", "websocket"])
def test_values_are_in_commands_and_answers_and_in_no_request(
    shim: Shim, upstream: ChatUpstream, shim_home: CodexHome, tmp_path: Path, by_websocket: bool
) -> None:
    turns_before, requests_before = len(logged_turns(shim_home.state)), len(upstream.bodies)
    upstream.play(_asks, _ends)
    run = _run(tmp_path / "user", shim.port, by_websocket=by_websocket)
    assert run.messages == [f"I write to {EMAILS[0]}.", f"Sent to {EMAILS[0]}."], (
        run.errors + run.stderr
    )
    (ran,) = run.items_of("command_execution")
    assert " ".join(VALUES) in str(ran["aggregated_output"])
    assert " ".join(VALUES) in next((tmp_path / "user").rglob("mail.txt")).read_text()
    first, second = upstream.bodies[requests_before:]
    sent = json.dumps([first, second])
    assert [value for value in VALUES if value in sent] == []
    messages = [body["messages"] for body in (first, second)]
    assert isinstance(messages[0], list)
    assert isinstance(messages[1], list)
    assert messages[1][: len(messages[0])] == messages[0]
    assert set(_placeholders(first).items()) <= set(_placeholders(second).items())
    if by_websocket:
        assert_websocket(shim_home.state, turns_before)
    notes = str(logged_turns(shim_home.state)[-1]["hooks"])
    assert re.search(r"privacy gate: .*email \d+.* replaced", notes)
