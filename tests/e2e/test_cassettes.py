"""A session of the real Codex with a tool call, recorded through a chat row, and replayed when the upstream is gone."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import pytest

from tests.e2e.codex_cli import CodexHome, Run
from tests.e2e.installation import installed_codex
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.model_upstream import KEY, command, say
from tests.shim_cli.served import ForkedShim

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

PROMPT = "look around, then greet me"


@pytest.fixture(params=[False, True], ids=["http", "websocket"])
def by_websocket(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def run_codex(root: Path, port: int, prompt: str, *, by_websocket: bool) -> Run:
    """Run one session of a new user."""
    shutil.rmtree(root, ignore_errors=True)
    user = CodexHome(root, installed_codex())
    url = f"http://127.0.0.1:{port}/v1"
    user.configure(url, "fake-chat", supports_websockets=by_websocket, request_max_retries=0)
    return user.exec(prompt)


@pytest.fixture
def cassette(codex: Path, tmp_path: Path, by_websocket: bool) -> Path:  # noqa: ARG001
    """A recorded session with a tool call. The upstream is gone when the test begins."""
    shim_home = CodexHome(tmp_path / "recorder", installed_codex())
    settings, file = tmp_path / "models.json", tmp_path / "turns.jsonl"
    with ChatUpstream() as upstream:
        row = {"model": "fake-chat", "provider": "generic-chat-completion-api", "base_url": upstream.base_url, "api_key": KEY}  # fmt: skip
        settings.write_text(json.dumps({"models": [row]}))
        upstream.play(
            say("I look.", command(f"echo seen; echo {KEY}")), say("Hello, I have seen it.")
        )
        flags = (str(file), "--settings", str(settings))
        with ForkedShim(shim_home.env, tmp_path / "record.log", "record", *flags) as shim:
            run = run_codex(tmp_path / "first", shim.port, PROMPT, by_websocket=by_websocket)
        assert run.messages[-1:] == ["Hello, I have seen it."], run.errors + run.stderr
    return file


def test_replay_gives_the_recorded_answers_and_names_a_changed_prompt(
    cassette: Path,
    tmp_path: Path,
    by_websocket: bool,
) -> None:
    assert stat.S_IMODE(cassette.stat().st_mode) == 0o600
    assert KEY not in cassette.read_text()
    env = CodexHome(tmp_path / "player", installed_codex()).env
    with ForkedShim(env, tmp_path / "replay.log", "replay", str(cassette), "--speed", "0") as shim:
        same = run_codex(tmp_path / "second", shim.port, PROMPT, by_websocket=by_websocket)
        other = run_codex(tmp_path / "third", shim.port, "greet nobody", by_websocket=by_websocket)
    assert same.messages == ["I look.", "Hello, I have seen it."], same.errors
    (ran,) = same.items_of("command_execution")
    assert "seen" in str(ran["aggregated_output"])
    assert other.code != 0
    assert "turns.jsonl has no turn for this request" in other.errors
    assert "recorded 'look around, then greet me', sent 'greet nobody'" in other.errors


def test_loose_replay_ignores_the_prompt(
    cassette: Path,
    tmp_path: Path,
    by_websocket: bool,
) -> None:
    env = CodexHome(tmp_path / "player", installed_codex()).env
    with ForkedShim(env, tmp_path / "replay.log", "replay", str(cassette), "--loose") as shim:
        run = run_codex(tmp_path / "second", shim.port, "greet nobody", by_websocket=by_websocket)
    assert run.messages == ["I look.", "Hello, I have seen it."], run.errors
