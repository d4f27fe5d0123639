"""The turns of the start check: they pass here, notice a change, and leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from h11 import _readers
from h11._readers import ChunkedReader
from mitmproxy import ctx
from mitmproxy.proxy.layers.http import HttpLayer
from mitmproxy.proxy.server import ConnectionHandler

from addons.proxy.engine.compat import self_test
from addons.proxy.engine.compat.versions import SelfTestError
from addons.proxy.engine.mitmproxy_patches.event_loop import EagerLoop
from addons.proxy.engine.pool import UpstreamPool

LOOPS = pytest.mark.parametrize("loop_factory", [None, EagerLoop])
OPEN_FILES = Path("/proc/self/fd")


@LOOPS
def test_turns_pass(loop_factory: self_test.LoopFactory | None) -> None:
    self_test.run(loop_factory)


async def test_self_test_runs_next_to_a_running_loop() -> None:
    self_test.run()


@pytest.mark.skipif(not OPEN_FILES.exists(), reason="open files are counted on Linux")
@LOOPS
def test_nothing_is_left(
    loop_factory: self_test.LoopFactory | None, caplog: pytest.LogCaptureFixture
) -> None:
    self_test.run(loop_factory)
    gc.collect()
    before, threads, master = (
        len(list(OPEN_FILES.iterdir())),
        threading.active_count(),
        vars(ctx).copy(),
    )
    with caplog.at_level(logging.DEBUG, "mitmproxy"), caplog.at_level(logging.DEBUG, "addons"):
        self_test.run(loop_factory)
    gc.collect()
    assert len(list(OPEN_FILES.iterdir())) == before
    assert threading.active_count() == threads
    assert vars(ctx) == master
    assert [record for record in caplog.records if record.name != "asyncio"] == []


def _list(generator: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: list(generator(*args, **kwargs))


def _never(*_: object) -> None:
    return None


async def _wait(*_: object) -> None:
    await asyncio.Event().wait()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("owner", "name", "changed"),
    [
        (HttpLayer, "register_connection", _list(lambda *_: ())),
        (ConnectionHandler, "server_event", _wait),
        (ConnectionHandler, "handle_connection", _wait),
        (ChunkedReader, "__call__", _never),
        (_readers, "Data", lambda **_: None),
        (UpstreamPool, "keep", _never),
        (UpstreamPool, "checkout", _never),
    ],
)
def test_other_behaviour_is_noticed(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str, changed: object
) -> None:
    monkeypatch.setattr(self_test, "LIMIT_SECONDS", 0.5)
    monkeypatch.setattr(owner, name, changed)
    with pytest.raises(Exception, match=r".") as caught:
        self_test.run()
    assert isinstance(caught.value, SelfTestError | TypeError | AttributeError)
    # The sockets of a failed test are closed by the end of the process; here they are, and their warnings, now.
    del caught
    gc.collect()


def test_test_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    class Stuck:
        def __init__(self, **_: object) -> None:
            go_on.wait(30)

    monkeypatch.setattr(self_test, "LIMIT_SECONDS", 0.05)
    monkeypatch.setattr(asyncio, "Runner", Stuck)
    with pytest.raises(SelfTestError, match="no answer"):
        self_test.run()
    monkeypatch.setattr(threading, "excepthook", _never)
    go_on.set()


def test_machine_without_loopback_is_reported_by_the_listener(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(*_: object) -> None:
        raise OSError(99, "Cannot assign requested address")

    monkeypatch.setattr(asyncio, "start_server", refuse)
    self_test.run()
    assert "the self-test was left out" in caplog.text


def test_turn_connects_to_no_other_address(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[object] = set()
    connect = asyncio.open_connection

    async def note(host: str, port: int, **rest: Any) -> Any:
        asked.add(host)
        return await connect(host, port, **rest)

    monkeypatch.setattr(asyncio, "open_connection", note)
    self_test.run()
    assert asked == {self_test.LOOPBACK}
