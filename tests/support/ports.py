"""Ports for servers that are started by number.

A port that the system chose for a moment may be given to an outgoing connection of another test before its server
listens on it. So these ports lie below the range from which systems choose, and each worker has a part of it.
"""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from functools import cache
from itertools import cycle, islice

FIRST, PER_WORKER, WORKERS = 11_000, 1_000, 16
"""Ports from 11,000 to 27,000: browsers refuse 10,080, and outgoing connections have ports from 32,768 (Linux) or 49,152 (macOS, Windows)."""


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens. No other of the next thousand calls returns it."""
    for port in islice(_ports(), PER_WORKER):
        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                server.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    msg = f"every port of the {PER_WORKER} of this worker is taken"
    raise AssertionError(msg)


@cache
def _ports() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    first = FIRST + worker * PER_WORKER
    return cycle(random.Random().sample(range(first, first + PER_WORKER), PER_WORKER))  # noqa: S311  no secret
