"""Fixtures: one shim per worker with a strict upstream for each protocol, and a LiteLLM proxy as another upstream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.messages_upstream import MessagesUpstream
from tests.fakes.model_upstream import KEY, ModelUpstream
from tests.sdk.line import Json, Line, end_programs, line

ROWS: Mapping[str, Mapping[str, str]] = {
    "chat": {"model": "gpt-5.5", "provider": "openai"},
    "messages": {"model": "claude-sonnet-4-5", "provider": "anthropic"},
}


@dataclass(frozen=True, slots=True)
class Stage:
    """The shim and its upstreams by protocol."""

    line: Line
    upstreams: Mapping[str, ModelUpstream]


@pytest.fixture(scope="session", autouse=True)
def programs_that_end() -> Iterator[None]:
    """End the client programs with the tests that share them."""
    yield
    end_programs()


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Start the shim and its upstreams."""
    with ExitStack() as stack:
        upstreams: dict[str, ModelUpstream] = {
            "chat": stack.enter_context(ChatUpstream()),
            "messages": stack.enter_context(MessagesUpstream()),
        }
        rows = [
            {**row, "slug": protocol, "base_url": upstreams[protocol].base_url, "api_key": KEY}
            for protocol, row in ROWS.items()
        ]
        running = stack.enter_context(line(tmp_path_factory.mktemp("sdk"), rows))
        yield Stage(running, upstreams)


@dataclass(frozen=True, slots=True)
class Clients:
    """Client programs that use the model of one protocol."""

    protocol: str
    line: Line
    upstream: ModelUpstream

    def run(self, client: str, case: str) -> Json:
        """Run one case; return what the client received."""
        return self.line.run(client, case, self.protocol)


@pytest.fixture(params=list(ROWS))
def clients(request: pytest.FixtureRequest, stage: Stage) -> Iterator[Clients]:
    """Clients for each protocol. A request that the strict upstream rejects fails the test."""
    upstream = stage.upstreams[request.param]
    upstream.reset()
    yield Clients(request.param, stage.line, upstream)
    assert upstream.objections == []
    assert upstream.remaining == 0
