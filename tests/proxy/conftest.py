"""What tests here begin with; and that each gives all its sockets back: one left open would fail another, some time later."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.proxy.byok_line import SPEECH, Speech
from tests.proxy.surfaces import Home, whole_turn
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
    async with upstream(whole_turn) as backend, upstream(whole_turn) as sink:
        monkeypatch.setattr("addons.proxy.master.SINK", f"http://127.0.0.1:{sink.port}")
        yield Home(tmp_path, backend, sink)
        assert sink.connections == 0


@pytest.fixture(params=list(SPEECH))
def speech(request: pytest.FixtureRequest) -> Speech:
    return SPEECH[request.param]
