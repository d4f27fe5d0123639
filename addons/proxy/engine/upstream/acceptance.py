"""How many bytes the program at the other end of a connection has taken out of its socket.

A program that reads a few bytes a minute frees no buffer that a write here would notice: TCP tells the sender of free space in
large steps only. On Linux the system knows more: how many bytes the peer's system has acknowledged, and, for a program
of the same machine, how many of them wait in its socket (`sock_diag(7)`).

Never does: read or write a byte of the connection. Invariant: a system that does not tell gives None, or counts what the
peer's system has taken.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys

_ACKED = struct.Struct("=120xQ")
"""`struct tcp_info`: tcpi_bytes_acked."""
_SOCK_DIAG = 4
_BY_FAMILY = 20
_REQUEST = 1
_HEAD = struct.Struct("=IHHII")
"""`struct nlmsghdr`: length, type, flags, sequence, port."""
_QUERY = struct.Struct("=BBBBI")
"""`struct inet_diag_req_v2` before its addresses: family, protocol, extensions, padding, states."""
_PORTS = struct.Struct("!HH")
_ADDRESSES = struct.Struct("=16s16s")
_ANY_INTERFACE = struct.Struct("=III").pack(0, 0xFFFFFFFF, 0xFFFFFFFF)
"""Interface, and a cookie that matches every socket."""
_QUEUE = struct.Struct("=72xI")
"""`struct nlmsghdr` and `struct inet_diag_msg` up to idiag_rqueue."""
_ALL_STATES = 0xFFFFFFFF


def accepted_by_peer(writer: asyncio.StreamWriter) -> int | None:
    """Return how many bytes the program at the other end has read in all, or None if the system does not tell."""
    found = writer.get_extra_info("socket")
    if found is None or writer.is_closing():
        return None
    try:
        with socket.socket(fileno=os.dup(found.fileno())) as same:
            return accepted_bytes(same)
    except OSError:
        return None


def accepted_bytes(connection: socket.socket) -> int | None:
    """Return how many bytes the other side has taken in all, or None if the system does not tell."""
    if sys.platform != "linux":
        return None
    try:
        # first: what arrives between the two calls is no progress
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        (acked,) = _ACKED.unpack_from(info)
        return int(acked) - _waiting_at_peer(connection)
    except (OSError, struct.error):
        return None


def _waiting_at_peer(connection: socket.socket) -> int:
    """Return how many bytes the socket at the other end holds. 0 if it is not on this machine."""
    names = (connection.getpeername(), connection.getsockname())
    ports = _PORTS.pack(*(name[1] for name in names))
    addresses = _ADDRESSES.pack(*(socket.inet_pton(connection.family, name[0]) for name in names))
    query = _QUERY.pack(connection.family, socket.IPPROTO_TCP, 0, 0, _ALL_STATES)
    body = query + ports + addresses + _ANY_INTERFACE
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as system:
            # the answer is there when the query is sent
            system.setblocking(False)  # noqa: FBT003
            system.send(_HEAD.pack(_HEAD.size + len(body), _BY_FAMILY, _REQUEST, 0, 0) + body)
            answer = system.recv(4096)
        is_found = _HEAD.unpack_from(answer)[1] == _BY_FAMILY
        return int(_QUEUE.unpack_from(answer)[0]) if is_found else 0
    except (OSError, struct.error):
        return 0
