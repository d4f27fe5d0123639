"""The queue of clients that wait to be let in.

asyncio lets a hundred wait. When more come at once, as a test run with many agents does, the system drops the rest and
their first bytes come again after seconds. Never does: open or close a listener.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable
from typing import Any

from mitmproxy.proxy.mode_servers import ServerInstance

MOST_WAITING = 1024
"""The system's own limit, if it is lower, stays in force."""


def widen(instances: Iterable[ServerInstance[Any]]) -> None:
    """Let more clients wait at these listeners."""
    if sys.platform == "win32":
        # its queue grows by itself, and a socket is no file that could be named twice
        return
    for instance in instances:
        for server in getattr(instance, "_servers", ()):
            for listener in getattr(server, "sockets", ()):
                with socket.socket(fileno=os.dup(listener.fileno())) as same:
                    same.listen(MOST_WAITING)
