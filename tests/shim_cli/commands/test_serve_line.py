"""The `curl` line that `serve` prints is accepted by the upstream of the route that it names."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from addons.adapters.system.local_token import ensure_token
from tests.fakes import scenarios
from tests.fakes.account import Account
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.chatgpt_backend import ChatGptBackend
from tests.fakes.cursor import FakeCursor
from tests.fakes.messages_upstream import MessagesUpstream
from tests.fakes.model_upstream import KEY, say
from tests.shim_cli.run import environment
from tests.shim_cli.served import SERVE, served

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the line is for a POSIX shell")
Env = Mapping[str, str]
HELLO = "Hello there."


@contextlib.contextmanager
def _chatgpt(home: Path) -> Iterator[Env]:
    account = Account()
    (home / ".codex").mkdir()
    account.write(home / ".codex")
    with ChatGptBackend(account) as backend:
        backend.play(scenarios.text(HELLO))
        yield {"CODEX_SHIM_CHATGPT_BASE_URL": backend.base_url}
        assert backend.refused == []
        assert len(backend.turns) == 1


@contextlib.contextmanager
def _row(home: Path, upstream: ChatUpstream | MessagesUpstream, provider: str) -> Iterator[Env]:
    with upstream:
        upstream.play(say(HELLO))
        row = {"model": "m", "provider": provider, "base_url": upstream.base_url, "api_key": KEY}
        (home / ".codex-shim").mkdir()
        (home / ".codex-shim" / "models.json").write_text(json.dumps({"models": [row]}))
        yield {}
        assert upstream.objections == []
        assert upstream.remaining == 0


def _chat(home: Path) -> contextlib.AbstractContextManager[Env]:
    return _row(home, ChatUpstream(), "generic-chat-completion-api")


def _messages(home: Path) -> contextlib.AbstractContextManager[Env]:
    return _row(home, MessagesUpstream(), "anthropic")


@contextlib.contextmanager
def _cursor(home: Path) -> Iterator[Env]:
    cursor = FakeCursor(home / "cursor")
    cursor.install()
    cursor.login("in")
    cursor.say(HELLO)
    yield {**cursor.env, "PATH": cursor.path}


@contextlib.contextmanager
def _demo(home: Path) -> Iterator[Env]:
    assert home.is_dir()
    yield {}


@pytest.mark.parametrize("with_token", [False, True], ids=["open", "token"])
@pytest.mark.parametrize("route", [_chatgpt, _chat, _messages, _cursor, _demo])
def test_printed_line_works_on_its_route(
    tmp_path: Path,
    route: Callable[[Path], contextlib.AbstractContextManager[Env]],
    with_token: bool,
) -> None:
    with route(tmp_path) as env:
        if with_token:
            ensure_token(environment(tmp_path, env))
        with served(tmp_path, *SERVE, env=env) as running:
            line = running.printed[-1].strip()
            answer = subprocess.run(
                ["sh", "-c", line], capture_output=True, timeout=30, check=True
            ).stdout

    assert answer.count(b"event: response.completed") == 1
    if route is not _demo:
        deltas = b"".join(answer.split(b"event: response.output_text.delta")[1:])
        assert b"Hello" in deltas


@pytest.mark.parametrize("variable", ["http_proxy", "ALL_PROXY"])
def test_printed_line_sends_nothing_to_a_proxy(tmp_path: Path, variable: str) -> None:
    ensure_token(environment(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as proxy, served(tmp_path, *SERVE) as running:
        proxy.setblocking(False)
        ran = subprocess.run(
            ["sh", "-c", running.printed[-1].strip()],
            env={
                "PATH": os.environ["PATH"],
                variable: f"http://127.0.0.1:{proxy.getsockname()[1]}",
            },
            capture_output=True,
            timeout=10,
            check=False,
        )
        with pytest.raises(BlockingIOError):
            proxy.accept()

    assert ran.stdout.count(b"event: response.completed") == 1
