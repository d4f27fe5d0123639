"""The real Codex through hooks: masked addresses come back in commands and files, a push is refused, by HTTP and WebSocket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.codex_cli import CodexHome
from tests.e2e.installation import installed_codex
from tests.e2e.one_row import last_logged, one_row_shim, run_codex
from tests.e2e.shim import Shim, assert_websocket, logged_turns
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.model_upstream import command, say

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180), pytest.mark.xdist_group("hooks")]

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "hooks"
HOOKS = ("house_rule.py", "refuse_push.py", "log_turns.py", "mask_email.py")
ADDRESS = "jo.doe@example.com"
PROMPT = f"write to {ADDRESS}"


@pytest.fixture(scope="module")
def upstream() -> Iterator[ChatUpstream]:
    with ChatUpstream() as running:
        yield running


@pytest.fixture(scope="module")
def shim_home(tmp_path_factory: pytest.TempPathFactory) -> CodexHome:
    return CodexHome(tmp_path_factory.mktemp("shim"), installed_codex())


@pytest.fixture(scope="module")
def shim(upstream: ChatUpstream, shim_home: CodexHome) -> Iterator[Shim]:
    hooks = [part for name in HOOKS for part in ("--hook", str(EXAMPLES / name))]
    with one_row_shim(shim_home, upstream, *hooks) as running:
        yield running


def changed_by(turn: dict[str, Any]) -> list[str]:
    return [note.partition(":")[0] for note in turn.get("hooks", ())]


@pytest.mark.parametrize("by_websocket", [False, True], ids=["http", "websocket"])
def test_masked_address_is_in_commands_and_answers_and_in_no_request(
    shim: Shim, upstream: ChatUpstream, shim_home: CodexHome, tmp_path: Path, by_websocket: bool
) -> None:
    turns_before, requests_before = len(logged_turns(shim_home.state)), len(upstream.bodies)
    upstream.play(
        say("I ask <email-1>.", command("echo to <email-1> | tee mail.txt".replace("<email-1>", "'<email-1>'"))),
        say("Sent to <email-1>."),
    )  # fmt: skip
    run = run_codex(tmp_path / "user", shim.port, PROMPT, by_websocket=by_websocket)
    assert run.messages == [f"I ask {ADDRESS}.", f"Sent to {ADDRESS}."], run.errors + run.stderr
    (ran,) = run.items_of("command_execution")
    assert f"to {ADDRESS}" in str(ran["aggregated_output"])
    assert ADDRESS in (tmp_path / "user").rglob("mail.txt").__next__().read_text()
    sent = [json.dumps(body) for body in upstream.bodies[requests_before:]]
    assert len(sent) == 2
    assert not any(ADDRESS in body for body in sent)
    assert all("House rule: answer in English" in body for body in sent)
    assert "to <email-1>" in sent[-1]
    if by_websocket:
        assert_websocket(shim_home.state, turns_before)
    last_logged(
        shim_home.state, lambda turn: changed_by(turn) == ["house_rule.py", "mask_email.py"]
    )
    lines = (shim_home.home / "codex-turns.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    assert last["outcome"] == "complete"
    assert last["folder"].startswith(str(tmp_path / "user"))


@pytest.mark.parametrize("by_websocket", [False, True], ids=["http", "websocket"])
def test_refused_push_is_an_error_in_codex_and_runs_nothing(
    shim: Shim, upstream: ChatUpstream, tmp_path: Path, by_websocket: bool
) -> None:
    requests_before = len(upstream.bodies)
    upstream.play(say("I push.", command("touch pushed; git push origin main")))
    run = run_codex(tmp_path / "user", shim.port, "push it", by_websocket=by_websocket)
    assert run.code != 0
    assert (
        "The hook refuse_push.py refused this turn: the model wants to push to main." in run.errors
    )
    assert run.items_of("command_execution") == []
    assert list((tmp_path / "user").rglob("pushed")) == []
    assert len(upstream.bodies) == requests_before + 1
