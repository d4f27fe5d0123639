"""What a new user types in the first five minutes: an empty home, 80 columns, a provider that is a strict fake."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.http_messages import Answer, Request, Send
from tests.fakes.model_upstream import KEY, say
from tests.shim_cli.daemons import User, user_with_daemons
from tests.shim_cli.run import Done, shim
from tests.shim_cli.stage import ECHO

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="a script as a program"),
    pytest.mark.timeout(180),
]
WIDTH = 80


class Provider(ChatUpstream):
    """A provider that also lists its models, to who has the key."""

    def _respond(self, request: Request) -> Answer:
        if request.path == "/v1/models" and self.is_known(request):
            models = [{"id": "chat-large", "context_length": 200_000}, {"id": "chat-small"}]
            body = json.dumps({"object": "list", "data": models}).encode()
            return Answer((Send(body),), chunked=False)
        return super()._respond(request)


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as fake:
        fake.default_answer = say("Good morning")
        yield fake


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[User]:
    codex = tmp_path / "codex"
    codex.write_text(ECHO.format(python=sys.executable))
    codex.chmod(0o755)
    with user_with_daemons(tmp_path) as user:
        user.more = {"COLUMNS": str(WIDTH), "CODEX_BIN": str(codex)}
        yield user


def ok(done: Done) -> str:
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done
    return done.stdout


def test_from_nothing_to_a_turn_through_a_model_of_ones_own(
    newcomer: User, provider: Provider
) -> None:
    user = newcomer

    # Which commands are there?
    first = user.run()
    assert first.returncode == 2
    assert "First steps:\n  try " in first.stderr
    assert max(map(len, first.stderr.splitlines())) <= WIDTH
    assert ok(user.run("-h")) == ok(user.run("help"))
    assert "codex-shim add ollama" in ok(user.run("help", "add"))

    # Does it work at all? The demo model answers, and says what comes next.
    hello = user.run("try", "Say hello")
    assert ok(hello).startswith("Hello! I am shim-demo")
    assert "codex-shim is now running in the background" in hello.stderr
    models = user.run("list")
    assert ok(models).startswith("shim-demo  ")
    assert " hidden: There is no ChatGPT login" in models.stderr

    # A model of one's own. The key is typed and never shown.
    address = ("--base-url", provider.base_url)
    mistyped = user.run("add", "deepsek", *address)
    assert "Did you mean 'deepseek'?" in mistyped.stderr
    added = add(user, "deepseek", *address, typed=f"{KEY}\n1\ny\n")
    assert "Try it: codex-shim try --model chat-large" in added
    row = json.loads((user.home / ".codex-shim" / "models.json").read_text())["models"][0]
    assert (row["model"], row["max_context_limit"]) == ("chat-large", 200_000)
    assert KEY not in json.dumps(row) + added

    # It answers, without a restart; it is also what `try` uses from now on.
    assert ok(user.run("try", "hi", "--model", "chat-large")) == "Good morning\n"
    assert ok(user.run("try")) == "Good morning\n"
    assert ok(user.run("test")).startswith("ok    chat-large")

    # Codex, once and for good.
    assert "codex was given hi" in user.run("codex", "--", "exec", "hi").stdout
    enabled = ok(user.run("enable"))
    assert "Codex will use chat-large" in enabled
    assert "the first one of Codex's list, because config.toml named no model" in enabled
    assert "Undo: codex-shim disable" in enabled

    # What happened, and is all well?
    usage = ok(user.run("usage"))
    assert "chat-large" in usage
    doctor = user.run("doctor")
    assert "codex-shim test" in ok(doctor)
    assert "running at" in ok(user.run("status"))

    # And away again.
    ok(user.run("disable"))
    ok(user.run("remove", "chat-large", "--yes"))
    assert not user.config.exists()
    assert user.run("status").returncode == 3
    assert provider.objections == []


def add(user: User, *args: str, typed: str) -> str:
    env = {"CODEX_SHIM_PORT": str(user.port), **user.more}
    done = shim(user.home, "add", *args, env=env, stdin=typed)
    return ok(done) + done.stderr
