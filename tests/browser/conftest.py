"""Fixtures: mitmweb with one model per protocol behind it; all its secrets are known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.byok.stage import ROWS
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.messages_upstream import MessagesUpstream
from tests.fakes.model_upstream import KEY, ModelUpstream
from tests.shim_cli.run import environment
from tests.support.chromium import end_browser
from tests.support.codex_client import CLIENT_SECRETS
from tests.support.mitmweb import Mitmweb

SLUGS = {"chat": "fake-chat", "messages": "fake-claude"}
SECRETS = {**CLIENT_SECRETS, "row key": KEY}


@dataclass(frozen=True, slots=True)
class Stage:
    """A running mitmweb, its upstreams by protocol, and the file to which it saves flows."""

    web: Mitmweb
    upstreams: dict[str, ModelUpstream]
    saved: Path
    settings: Path


@pytest.fixture(scope="session", autouse=True)
def browser_that_ends() -> Iterator[None]:
    """End the browser with the tests that share it."""
    yield
    end_browser()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Start mitmweb and its upstreams."""
    with ExitStack() as stack:
        upstreams: dict[str, ModelUpstream] = {
            "chat": stack.enter_context(ChatUpstream()),
            "messages": stack.enter_context(MessagesUpstream()),
        }
        settings = tmp_path / "models.json"
        write_settings(settings, upstreams)
        saved = tmp_path / "saved.flows"
        env = environment(tmp_path, {"CODEX_SHIM_SETTINGS": str(settings)})
        web = stack.enter_context(Mitmweb(env, tmp_path / "web.log", "-w", str(saved)))
        yield Stage(web, upstreams, saved, settings)


def write_settings(path: Path, upstreams: dict[str, ModelUpstream], key: str = KEY) -> None:
    """Write models.json with a row for each upstream."""
    rows = [
        {**ROWS[protocol], "slug": SLUGS[protocol], "base_url": upstream.base_url, "api_key": key}
        for protocol, upstream in upstreams.items()
    ]
    path.write_text(json.dumps({"models": rows}))
