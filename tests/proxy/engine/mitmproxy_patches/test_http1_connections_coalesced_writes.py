"""What one event writes leaves together, in order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.connection import Server
from mitmproxy.proxy.commands import SendData

from addons.proxy.engine.mitmproxy_patches.http1_connections import (
    MAX_JOINED_BYTES,
    CoalescedWrites,
)

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


def test_what_is_held_waits_once_and_for_one_connection_only() -> None:
    held: list[str] = []
    joined = CoalescedWrites()
    joined.hold()
    joined.add(SendData(ENDS[0], b"head"))
    # nobody would take it
    assert [one.data for one in joined.take_at_end()] == [b"head"]
    joined.when_held = lambda: held.append("held")
    joined.add(SendData(ENDS[0], b"head"))
    assert [one.data for one in joined.take_at_end()] == [b"head"]
    joined.hold()
    joined.add(SendData(ENDS[0], b"head"))
    assert (joined.take_at_end(), held) == ((), ["held"])
    assert [one.data for one in joined.take_with([SendData(ENDS[0], b"delta")])] == [b"headdelta"]
    joined.hold()
    joined.add(SendData(ENDS[0], b"head"))
    joined.add(SendData(ENDS[1], b"request"))
    assert [one.data for one in joined.take_at_end()] == [b"head", b"request"]
    assert held == ["held"]
    writes = [SendData(ENDS[0], b"delta")]
    assert joined.take_with(writes) is writes
    joined.hold()
    assert (joined.take_at_end(), held) == ((), ["held"])
