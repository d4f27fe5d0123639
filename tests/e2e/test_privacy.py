"""The real Codex with the privacy gate: its commands and answers hold the values, and no request does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.privacy.values import CARDS, EMAILS, KEYS
from tests.e2e.codex_cli import CodexHome
from tests.e2e.installation import installed_codex
from tests.e2e.one_row import last_logged, one_row_shim, run_codex
from tests.e2e.shim import Shim, assert_websocket, logged_turns
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.model_upstream import Json, ScriptedAnswer, command, say

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180), pytest.mark.xdist_group("privacy")]

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
    with one_row_shim(shim_home, upstream, "--privacy") as running:
        yield running
    assert "The privacy gate replaces keys, tokens, emails, phones, cards." in running.output


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


@pytest.mark.parametrize("by_websocket", [False, True], ids=["http", "websocket"])
def test_values_are_in_commands_and_answers_and_in_no_request(
    shim: Shim, upstream: ChatUpstream, shim_home: CodexHome, tmp_path: Path, by_websocket: bool
) -> None:
    turns_before, requests_before = len(logged_turns(shim_home.state)), len(upstream.bodies)
    upstream.play(_asks, _ends)
    run = run_codex(tmp_path / "user", shim.port, PROMPT, by_websocket=by_websocket)
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
    masked = re.compile(r"privacy gate: .*email \d+.* replaced")
    last_logged(shim_home.state, lambda turn: bool(masked.search(str(turn.get("hooks")))))
