"""Threads of the real Codex across `enable` and `disable`: begun without the shim, continued with it, and without it again.

Codex's own provider is sent to the same fake as the row of the shim, by `openai_base_url` and an API key, because a ChatGPT
login cannot be used with a server on loopback.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from addons.adapters.codex.thread_lock import writer_lock
from tests.e2e.codex_cli import CodexHome, Run
from tests.e2e.installation import OLDEST, PREVIOUS, VERSION, installed_codex
from tests.e2e.newcomer import Newcomer
from tests.fakes import scenarios
from tests.fakes.http_messages import Answer, Request
from tests.fakes.http_server import HttpServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

ALSO_OLDEST = pytest.mark.parametrize("person", [VERSION, PREVIOUS, OLDEST], indirect=True)
"""For what the oldest version does as well: it refuses no provider on resume, takes no lock, and writes no byte offsets."""
ROW = {"model": "own", "slug": "own", "provider": "openai-responses", "api_key": "fabricated"}


@dataclass
class Fake:
    """An upstream of the Responses API that answers each turn with its number."""

    requests: list[Request]
    gate: threading.Event
    port: int = 0

    def respond(self, request: Request) -> Answer:
        if request.method != "POST":
            # Codex asks for a WebSocket once; 426 makes it go on by HTTP at once.
            return Answer(status=426)
        self.requests.append(request)
        self.gate.wait(30)
        return scenarios.text(f"answer {len(self.requests)}")

    @property
    def last_texts(self) -> list[str]:
        """The texts of the conversation in the latest request, without what Codex adds itself."""
        items = json.loads(self.requests[-1].body)["input"]
        texts = [
            part["text"]
            for item in items
            if item.get("type") == "message" and item["role"] in {"user", "assistant"}
            for part in item["content"]
        ]
        return [text for text in texts if not text.startswith("<")]


@pytest.fixture
def fake() -> Iterator[Fake]:
    upstream = Fake([], threading.Event())
    upstream.gate.set()
    with HttpServer(upstream.respond) as server:
        upstream.port = server.port
        yield upstream


@pytest.fixture(params=[VERSION, PREVIOUS])
def person(request: pytest.FixtureRequest, tmp_path: Path, fake: Fake) -> Iterator[Newcomer]:
    home = CodexHome(tmp_path, installed_codex(request.param))
    someone = Newcomer(home)
    base_url = f"http://127.0.0.1:{fake.port}/v1"
    someone.config.write_text(
        f'model = "gpt-5.5"\nopenai_base_url = "{base_url}"\n[analytics]\nenabled = false\n'
    )
    (home.codex_home / "auth.json").write_text(json.dumps({"OPENAI_API_KEY": "fabricated"}))
    settings = home.home / ".codex-shim"
    settings.mkdir()
    (settings / "models.json").write_text(json.dumps({"models": [{**ROW, "base_url": base_url}]}))
    yield someone
    someone.end_all()


def resume(person: Newcomer, prompt: str, which: str = "--last") -> Run:
    """Resume a thread. `--last` finds it only in Codex's own list."""
    return person.home.exec(prompt, "resume", which)


def thread_of(run: Run) -> str:
    started = next(event for event in run.events if event["type"] == "thread.started")
    return str(started["thread_id"])


def rollout_of(person: Newcomer, thread: str) -> Path:
    (path,) = (person.home.codex_home / "sessions").rglob(f"*{thread}.jsonl")
    return path


class AppServer:
    """A running `codex app-server`, which the terminal and Desktop use for their lists."""

    def __init__(self, person: Newcomer) -> None:
        self._process = subprocess.Popen(
            [str(person.home.codex), "app-server"],
            cwd=person.home.workspace,
            env=person.home.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._count = 0

    def __enter__(self) -> Self:
        self.call("initialize", clientInfo={"name": "test", "version": "1"})
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=30)

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """Send a request and return its result."""
        self._count += 1
        self._send({"id": self._count, "method": method, "params": params})
        while True:
            message = self.read()
            if message.get("id") == self._count:
                assert "result" in message, message
                result: dict[str, Any] = message["result"]
                return result

    def read(self) -> dict[str, Any]:
        """Return the next message."""
        assert self._process.stdout
        message: dict[str, Any] = json.loads(self._process.stdout.readline())
        return message

    def _send(self, message: object) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()


def listed(person: Newcomer) -> list[str]:
    """Return the threads that Codex lists with the provider of its config, as its own list of `codex resume` does."""
    with AppServer(person) as server:
        found = server.call("thread/list", limit=50, sourceKinds=["cli", "exec", "vscode"])
    return [thread["id"] for thread in found["data"]]


@ALSO_OLDEST
def test_thread_continues_across_enable_and_disable(person: Newcomer, fake: Fake) -> None:
    begun = person.home.exec("first")
    thread = thread_of(begun)
    before = rollout_of(person, thread).read_bytes()

    said = person.ok("enable", "--model", "own", "--move-threads")
    assert "Moved 1 thread to codex-shim." in said
    assert listed(person) == [thread]
    second = resume(person, "second")
    assert (thread_of(second), second.messages) == (thread, ["answer 2"])
    assert fake.last_texts == ["first", "answer 1", "second"]

    said = person.ok("disable")
    assert "Moved 1 thread back" in said
    assert rollout_of(person, thread).read_bytes().startswith(before)
    assert listed(person) == [thread]
    third = resume(person, "third")
    assert (thread_of(third), third.messages) == (thread, ["answer 3"])
    assert fake.last_texts == ["first", "answer 1", "second", "answer 2", "third"]
    assert "codex_shim" not in person.ok("threads")


def test_enable_and_disable_say_what_to_type(person: Newcomer, fake: Fake) -> None:
    begun = thread_of(person.home.exec("first"))
    said = person.ok("enable", "--model", "own")
    assert "1 thread belongs to Codex's own provider" in said
    assert listed(person) == []
    assert resume(person, "second", begun).code != 0
    person.ok(*_typed(said))
    assert resume(person, "second", begun).messages == ["answer 2"]
    with_shim = thread_of(person.home.exec("other"))

    said = person.ok("disable")
    assert "2 threads belong to codex-shim" in said
    assert resume(person, "third", begun).code != 0
    person.ok(*_typed(said))
    assert resume(person, "third", begun).messages == ["answer 4"]
    assert sorted(listed(person)) == sorted([begun, with_shim])
    assert fake.last_texts == ["first", "answer 1", "second", "answer 2", "third"]


def _typed(said: str) -> list[str]:
    """Return the command that the output says to type."""
    line = next(line for line in said.splitlines() if "codex-shim threads move" in line)
    return line.rpartition("codex-shim ")[2].split()


@ALSO_OLDEST
def test_rollout_is_the_same_after_undo(person: Newcomer, fake: Fake) -> None:
    thread = thread_of(person.home.exec("first"))
    path = rollout_of(person, thread)
    before, times = path.read_bytes(), path.stat().st_mtime_ns
    assert "Moved 1 thread" in person.ok("threads", "move", "--to", "shim", thread)
    moved = path.read_bytes()
    assert moved != before
    assert len(moved) == len(before)
    assert "Moved 1 thread back." in person.ok("threads", "undo")
    assert path.read_bytes() == before
    assert path.stat().st_mtime_ns == times
    assert fake.requests


@ALSO_OLDEST
def test_state_database_that_codex_makes_anew_has_the_new_provider(
    person: Newcomer, fake: Fake
) -> None:
    thread = thread_of(person.home.exec("first"))
    person.ok("enable", "--model", "own", "--move-threads")
    for path in person.home.codex_home.glob("state_*"):
        path.unlink()
    assert listed(person) == [thread]
    assert resume(person, "second").messages == ["answer 2"]
    assert fake.last_texts == ["first", "answer 1", "second"]


@ALSO_OLDEST
def test_open_thread_is_not_moved(person: Newcomer, fake: Fake) -> None:
    thread = thread_of(person.home.exec("first"))
    fake.gate.clear()
    background = threading.Thread(target=resume, args=(person, "second"))
    background.start()
    try:
        while len(fake.requests) < 2:
            background.join(0.05)
        before = rollout_of(person, thread).read_bytes()
        done = person.run("threads", "move", "--to", "shim", "--all")
        assert done.returncode == 1
        assert "Codex has it open" in done.stderr
        assert rollout_of(person, thread).read_bytes() == before
    finally:
        fake.gate.set()
        background.join()
    assert "Moved 1 thread" in person.ok("threads", "move", "--to", "shim", "--all")


def test_codex_does_not_open_a_thread_while_its_lock_is_held(person: Newcomer, fake: Fake) -> None:
    thread = thread_of(person.home.exec("first"))
    with writer_lock(person.home.env, thread) as is_held:
        assert is_held
        refused = resume(person, "second", thread)
    assert refused.code != 0
    assert "already has an active writer" in refused.stderr
    assert len(fake.requests) == 1
    assert resume(person, "second", thread).messages == ["answer 2"]


def test_fork_keeps_the_history_of_a_moved_thread(person: Newcomer, fake: Fake) -> None:
    parent = thread_of(person.home.exec("first"))
    with AppServer(person) as server:
        fork = server.call("thread/fork", threadId=parent)["thread"]["id"]
        server.call("turn/start", threadId=fork, input=[{"type": "text", "text": "second"}])
        while server.read().get("method") != "turn/completed":
            pass
    # the fork names a byte offset of the rollout of its parent
    first = json.loads(rollout_of(person, fork).read_bytes().splitlines()[0])
    base = first["payload"]["history_base"]
    assert base["end_byte_offset"] == rollout_of(person, parent).stat().st_size
    assert "Moved 2 threads" in person.ok("enable", "--model", "own", "--move-threads")
    assert resume(person, "third", fork).messages == ["answer 3"]
    assert fake.last_texts == ["first", "answer 1", "second", "answer 2", "third"]


@ALSO_OLDEST
def test_launch_resumes_threads_of_either_side(person: Newcomer, fake: Fake) -> None:
    own = thread_of(person.home.exec("first"))
    flags = (
        "exec",
        "--json",
        "--skip-git-repo-check",
        "--dangerously-bypass-approvals-and-sandbox",
    )
    begun = person.run("codex", "--", *flags, "-m", "own", "with the shim")
    assert begun.returncode == 0, begun.stderr
    with_shim = str(json.loads(begun.stdout.splitlines()[0])["thread_id"])
    for is_enabled in (False, True):
        if is_enabled:
            person.ok("enable", "--model", "own")
        done = person.run("codex", "--", *flags, "resume", own, "second")
        assert done.returncode == 0, done.stderr
        assert f"codex-shim threads move --to shim {own}" in done.stderr
        assert json.loads(fake.requests[-1].body)["model"] == "gpt-5.5"
        done = person.run("codex", "--", *flags, "-m", "own", "resume", with_shim, "third")
        assert done.returncode == 0, done.stderr
        assert json.loads(fake.requests[-1].body)["model"] == "own"
        assert fake.last_texts[0] == "with the shim"
