"""The real Codex through hooks: masked addresses come back in commands and files, a push is refused, by HTTP and WebSocket."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.codex_cli import CodexHome, Run, installed_codex
from tests.e2e.shim import Shim, assert_websocket, logged_turns
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.model_upstream import KEY, command, say

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "hooks"
HOOKS = ("house_rule.py", "refuse_push.py", "log_turns.py", "mask_email.py")
ADDRESS = "jo.doe@example.com"
LONGEST = 120
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
    settings = shim_home.root / "models.json"
    row = {"model": "fake-chat", "provider": "generic-chat-completion-api", "base_url": upstream.base_url, "api_key": KEY}  # fmt: skip
    settings.write_text(json.dumps({"models": [row]}))
    hooks = [part for name in HOOKS for part in ("--hook", str(EXAMPLES / name))]
    log = shim_home.root / "serve.log"
    with Shim(shim_home.env, log, "serve", "--settings", str(settings), *hooks) as running:
        yield running
    assert "Traceback" not in running.output


def changed_by(turn: dict[str, Any]) -> list[str]:
    return [note.partition(":")[0] for note in turn.get("hooks", ())]


def run_codex(root: Path, port: int, prompt: str, *, by_websocket: bool) -> Run:
    """Run one session of a new user."""
    shutil.rmtree(root, ignore_errors=True)
    user = CodexHome(root, installed_codex())
    url = f"http://127.0.0.1:{port}/v1"
    user.configure(url, "fake-chat", supports_websockets=by_websocket, request_max_retries=0)
    return user.exec(prompt)


@pytest.mark.parametrize("by_websocket", [False, True], ids=["http", "websocket"])
def test_masked_address_is_in_commands_and_answers_and_in_no_request(
    shim: Shim, upstream: ChatUpstream, shim_home: CodexHome, tmp_path: Path, by_websocket: bool
) -> None:
    deadline = time.monotonic() + LONGEST
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
    # a turn is logged after its answer: until then the last line may be that of a warm-up
    while changed_by(last := logged_turns(shim_home.state)[-1]) != ["house_rule.py", "mask_email.py"]:  # fmt: skip
        assert time.monotonic() < deadline, last
        time.sleep(0.02)
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
