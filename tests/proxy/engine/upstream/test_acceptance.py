"""The bytes that the program at the other end has read are counted, not those that its system holds."""

from __future__ import annotations

import socket
import sys

import pytest

from addons.proxy.engine.upstream.acceptance import accepted_bytes
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="no other system tells")


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
async def test_each_byte_that_is_read_counts(family: socket.AddressFamily, host: str) -> None:
    with (
        socket.create_server((host, 0), family=family) as server,
        socket.create_connection(server.getsockname()[:2]) as reader,
    ):
        writer = server.accept()[0]
        with writer:
            writer.sendall(b"x" * 5000)
            await until(lambda: accepted_bytes(writer) == 0)
            for size in (1, 99, 1000):
                before = accepted_bytes(writer)
                assert before is not None
                reader.recv(size)
                assert accepted_bytes(writer) == before + size


def test_socket_without_tcp_is_not_known() -> None:
    left, right = socket.socketpair()
    with left, right:
        assert accepted_bytes(left) is None
