"""A shim with one row, whose upstream is a fake that speaks the chat protocol, and sessions of new users with it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.codex_cli import CodexHome, Run
from tests.e2e.installation import installed_codex
from tests.e2e.shim import Shim, logged_turns
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.model_upstream import KEY
from tests.shim_cli.served import ForkedShim

SLUG = "fake-chat"
LOGGED_SECONDS = 30


@contextmanager
def one_row_shim(home: CodexHome, upstream: ChatUpstream, *flags: str) -> Iterator[Shim]:
    settings = home.root / "models.json"
    row = {"model": SLUG, "provider": "generic-chat-completion-api", "base_url": upstream.base_url, "api_key": KEY}  # fmt: skip
    settings.write_text(json.dumps({"models": [row]}))
    log = home.root / "serve.log"
    with ForkedShim(home.env, log, "serve", "--settings", str(settings), *flags) as running:
        yield running
    assert "Traceback" not in running.output


def run_codex(root: Path, port: int, prompt: str, *, by_websocket: bool) -> Run:
    """Run one session of a new user."""
    shutil.rmtree(root, ignore_errors=True)
    user = CodexHome(root, installed_codex())
    url = f"http://127.0.0.1:{port}/v1"
    user.configure(url, SLUG, supports_websockets=by_websocket, request_max_retries=0)
    return user.exec(prompt)


def last_logged(state: Path, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the last turn of the access log. A turn is logged after its answer: until then it may be a warm-up."""
    deadline = time.monotonic() + LOGGED_SECONDS
    while not is_it(last := logged_turns(state)[-1]):
        assert time.monotonic() < deadline, last
        time.sleep(0.02)
    return last
