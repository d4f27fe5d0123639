"""What tests here begin with; and that each gives all its sockets back: one left open would fail another, some time later."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from addons.adapters.demo import PAUSE_SECONDS, paced
from tests.boundary.row_turns import ANSWERS_BY_PROTOCOL, UpstreamAnswers
from tests.boundary.surfaces import Home, whole_turn
from tests.faults.conftest import folder, leave_the_heap_out  # noqa: F401  the same fixtures
from tests.faults.shim import PAUSE_DIVISOR
from tests.support.upstream import upstream
from tests.support.waiting import until


@pytest.fixture(autouse=True)
async def no_socket_is_left() -> AsyncIterator[None]:
    """Wait until the loop watches no more sockets than before. A server that nobody stopped is a TimeoutError."""
    loop: Any = asyncio.get_running_loop()
    before = len(loop._selector.get_map())
    yield
    await until(lambda: len(loop._selector.get_map()) <= before)


@pytest.fixture
async def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Home]:
    """Return a home folder. The demo is as quick as in the tests of faults."""
    monkeypatch.setattr(paced, "__defaults__", (PAUSE_SECONDS / PAUSE_DIVISOR,))
    async with upstream(whole_turn) as backend, upstream(whole_turn) as sink:
        monkeypatch.setattr("addons.proxy.master.SINK", f"http://127.0.0.1:{sink.port}")
        yield Home(tmp_path, backend, sink)
        assert sink.connections == 0


@pytest.fixture(params=list(ANSWERS_BY_PROTOCOL))
def answers(request: pytest.FixtureRequest) -> UpstreamAnswers:
    return ANSWERS_BY_PROTOCOL[request.param]
