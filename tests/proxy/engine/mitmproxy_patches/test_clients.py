"""Clients may wait in a longer queue."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any, cast

import pytest

from addons.proxy.engine.mitmproxy_patches.clients import (
    LISTEN_BACKLOG,
    raise_listen_backlog,
)


def test_backlog_of_each_listener_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Counted(socket.socket):
        def listen(self, backlog: int = 0) -> None:
            asked.append(backlog)

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        monkeypatch.setattr(socket, "socket", Counted)
        servers = [SimpleNamespace(sockets=[listener]), SimpleNamespace(sockets=[listener])]
        raise_listen_backlog([cast("Any", SimpleNamespace(_servers=servers))])
        assert listener.fileno() >= 0
    assert asked == [LISTEN_BACKLOG] * 2
