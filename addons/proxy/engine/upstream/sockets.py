"""What the system knows about an upstream connection: options of its socket, input that waits, its round trip.

An idle connection is probed by TCP keepalive, so that one whose peer is gone ends here before it is used. While it is
idle and while its next request is on the way, `TCP_USER_TIMEOUT` bounds the time that the peer may leave bytes
unacknowledged. Keepalive is off during a turn: an outage while the upstream is silent need not end an answer.

Never does: consume or write a byte of a connection. Invariant: an option that the system lacks is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import sys
from itertools import pairwise
from weakref import WeakKeyDictionary

from mitmproxy.connection import Server

from addons.proxy.engine.upstream import acceptance

PROBE_AFTER_SECONDS = 10
PROBE_INTERVAL_SECONDS = 3
PROBES = 3
DEAF_SECONDS = 10.0
"""How long a peer may leave bytes unacknowledged on a connection that was idle."""

REWATCH_SECONDS = 1.0
_rewatching: WeakKeyDictionary[asyncio.StreamWriter, asyncio.TimerHandle | None] = (
    WeakKeyDictionary()
)
"""Connection that was idle before → the timer after which it is watched again, while it waits."""

SHORTEST_ROUND_TRIP = 0.05
"""What scheduling on a busy machine adds to a round trip."""
LONGEST_ROUND_TRIP = 0.5
UNREAD_BYTES = 16 * 1024


def watch_idle(writer: asyncio.StreamWriter) -> None:
    """Let the system notice the loss of a connection that is idle from now on.

    The first time takes effect at once; later ones after `REWATCH_SECONDS`, because most connections serve again sooner.
    """
    if writer in _rewatching:
        loop = asyncio.get_running_loop()
        _rewatching[writer] = loop.call_later(REWATCH_SECONDS, _rewatch, writer)
        return
    _rewatching[writer] = None
    _set(
        writer,
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        *_tcp_option("TCP_USER_TIMEOUT", round(DEAF_SECONDS * 1000)),
        *_tcp_option(
            "TCP_KEEPALIVE" if sys.platform == "darwin" else "TCP_KEEPIDLE", PROBE_AFTER_SECONDS
        ),
        *_tcp_option("TCP_KEEPINTVL", PROBE_INTERVAL_SECONDS),
        *_tcp_option("TCP_KEEPCNT", PROBES),
    )


def watch_reused(writer: asyncio.StreamWriter) -> None:
    """End the probes of a connection that serves a turn again. The limit for unacknowledged bytes stays."""
    if timer := _rewatching.get(writer):
        _rewatching[writer] = None
        timer.cancel()
    else:
        _set(writer, (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0))


def _rewatch(writer: asyncio.StreamWriter) -> None:
    _rewatching[writer] = None
    _set(writer, (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1))


def has_input(writer: asyncio.StreamWriter) -> bool:
    """Return whether the system holds bytes or the end of the connection that the loop has not read yet."""
    if (found := _socket_of(writer)) is None or (descriptor := found.fileno()) < 0:
        return True
    if not hasattr(select, "poll"):
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def unread(writer: asyncio.StreamWriter) -> bytes:
    """Return the bytes that the system holds and the loop has not read. They stay where they are."""
    found = _socket_of(writer)
    if found is None or writer.is_closing() or not has_input(writer):
        return b""
    try:
        # the object of uvloop cannot receive
        with socket.socket(fileno=os.dup(found.fileno())) as same:
            return same.recv(UNREAD_BYTES, socket.MSG_PEEK)
    except OSError:
        return b""


def accepted_bytes(writer: asyncio.StreamWriter) -> int | None:
    """Return how many bytes the program at the other end has read in all, or None if the system does not tell."""
    found = _socket_of(writer)
    if found is None or writer.is_closing():
        return None
    try:
        with socket.socket(fileno=os.dup(found.fileno())) as same:
            return acceptance.accepted_bytes(same)
    except OSError:
        return None


def round_trip(server: Server) -> float:
    """Return the seconds of the shorter handshake of a connection, within the bounds of this module."""
    marks = (server.timestamp_start, server.timestamp_tcp_setup, server.timestamp_tls_setup)
    spans = [end - start for start, end in pairwise(marks) if start is not None and end is not None]
    return max(SHORTEST_ROUND_TRIP, min([*spans, LONGEST_ROUND_TRIP]))


def _socket_of(writer: asyncio.StreamWriter) -> socket.socket | None:
    found: socket.socket | None = writer.get_extra_info("socket")
    return found


def _tcp_option(name: str, value: int) -> list[tuple[int, int, int]]:
    number = getattr(socket, name, None)
    return [] if number is None else [(socket.IPPROTO_TCP, number, value)]


def _set(writer: asyncio.StreamWriter, *options: tuple[int, int, int]) -> None:
    """Set options (level, name, value). Nothing happens if the connection has ended or is no TCP connection."""
    if (found := _socket_of(writer)) is None or (descriptor := found.fileno()) < 0:
        return
    # the object of uvloop makes a socket of its own for each option
    same = socket.socket(found.family, found.type, found.proto, descriptor)
    try:
        for level, name, value in options:
            # an option that this kind of socket does not have
            with contextlib.suppress(OSError):
                same.setsockopt(level, name, value)
    finally:
        same.detach()
