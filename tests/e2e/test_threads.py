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

import pytest

from tests.e2e.codex_cli import PREVIOUS, VERSION, CodexHome, Run, installed_codex
from tests.e2e.newcomer import Newcomer
from tests.fakes import scenarios
from tests.fakes.http_messages import Answer, Request
from tests.fakes.http_server import HttpServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

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


def listed(person: Newcomer) -> list[str]:
    """Return the threads that Codex lists with the provider of its config, as its own list of `codex resume` does."""
    with subprocess.Popen(
        [str(person.home.codex), "app-server"],
        env=person.home.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdin
        assert server.stdout

        def call(number: int, method: str, params: dict[str, object]) -> dict[str, object]:
            assert server.stdin
            assert server.stdout
            server.stdin.write(
                json.dumps({"id": number, "method": method, "params": params}) + "\n"
            )
            server.stdin.flush()
            for line in server.stdout:
                message = json.loads(line)
                if message.get("id") == number:
                    result: dict[str, object] = message["result"]
                    return result
            raise AssertionError(method)

        call(1, "initialize", {"clientInfo": {"name": "test", "version": "1"}})
        found = call(2, "thread/list", {"limit": 50, "sourceKinds": ["cli", "exec", "vscode"]})
        server.stdin.close()
        server.wait(20)
    threads = found["data"]
    assert isinstance(threads, list)
    return [thread["id"] for thread in threads]


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
