"""What one event writes leaves together, in order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.connection import Server
from mitmproxy.proxy.commands import SendData

from addons.proxy.engine.mitmproxy_patches.command_pump import MAX_JOINED_BYTES, CoalescedWrites

ENDS = (Server(address=("a.test", 1)), Server(address=("b.test", 1)))


def written(sends: list[tuple[int, bytes]]) -> list[SendData]:
    joined = CoalescedWrites()
    for end, data in sends:
        joined.add(SendData(ENDS[end], data))
    return list(joined.take())


def test_a_head_and_its_body_are_one_write() -> None:
    assert [one.data for one in written([(0, b"head"), (0, b"body"), (0, b"!")])] == [b"headbody!"]


def test_a_large_body_is_not_copied() -> None:
    body = b"x" * MAX_JOINED_BYTES
    sends = written([(0, b"head"), (0, body)])
    assert [one.data for one in sends] == [b"head", body]
    assert sends[1].data is body


@given(st.lists(st.tuples(st.integers(0, 1), st.binary(max_size=5)), max_size=12))
def test_nothing_is_lost_or_changes_its_place(sends: list[tuple[int, bytes]]) -> None:
    out = written(sends)
    runs: list[tuple[Server, bytes]] = []
    for end, data in sends:
        if runs and runs[-1][0] is ENDS[end]:
            runs[-1] = (ENDS[end], runs[-1][1] + data)
        else:
            runs.append((ENDS[end], data))
    assert [(one.connection, one.data) for one in out] == runs
