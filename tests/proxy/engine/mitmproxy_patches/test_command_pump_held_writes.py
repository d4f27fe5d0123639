"""The head of an answer and the delta that is there leave together, and a head alone waits for nothing."""

from __future__ import annotations

import asyncio
import os

import pytest

from addons.core.turn import ClientRequest, Head, Relay, Send, Step
from addons.proxy.engine.mitmproxy_patches.command_pump import SyncHookRunner
from addons.proxy.master import loop_factory
from tests.boundary.scripts import BODY, DONE, EVENT, OneStep
from tests.support.client import client
from tests.support.engine import Plain, engine, wire_to
from tests.support.upstream import Exchange, upstream
from tests.support.waiting import within

pytest.importorskip("uvloop")


class Upstream:
    """Sends its head, and its first event while that head is being handled, so that the loop finds it next."""

    def __init__(self, *, is_ahead: bool) -> None:
        self._is_ahead = is_ahead
        self._socket = 0
        self.read = asyncio.Event()

    async def script(self, exchange: Exchange) -> None:
        self._socket = exchange.writer.get_extra_info("socket").fileno()
        await exchange.sse_head()
        await within(self.read)
        if not self._is_ahead:
            await exchange.chunk(EVENT)
        await exchange.chunk(DONE)
        await exchange.end()

    def head_was_read(self) -> None:
        if self._is_ahead:
            os.write(self._socket, b"%x\r\n%s\r\n" % (len(EVENT), EVENT))


class Ahead(OneStep):
    def __init__(self, request: ClientRequest, port: int, at: Upstream) -> None:
        super().__init__(request, Send(wire_to(port, request)))
        self._at = at

    def on_head(self, head: Head) -> Step:
        self._at.head_was_read()
        return Relay(head, Plain())


async def writes_of_a_turn(*, is_ahead: bool, hooks_wait: bool) -> list[bytes]:
    """Return what was written to the client, write by write. Where no hook waits, the event meets a head that is held."""
    at = Upstream(is_ahead=is_ahead)
    written: list[bytes] = []
    usual = asyncio.StreamWriter.write

    def write(writer: asyncio.StreamWriter, data: bytes) -> None:
        if writer.get_extra_info("sockname")[1] == proxy.port:
            written.append(data)
        usual(writer, data)

    async with (
        upstream(at.script) as up,
        engine(lambda r: Ahead(r, up.port, at)) as proxy,
        client(proxy.port) as c,
    ):
        if not hooks_wait:
            proxy.engine.run_hook = SyncHookRunner(proxy.master.addons).run
        await c.post("/v1/responses", BODY)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(asyncio.StreamWriter, "write", write)
            begun = await c.reader.readuntil(b"\r\n\r\n")
            at.read.set()
            rest = await c.reader.readuntil(b"0\r\n\r\n")
    whole = begun + rest
    assert EVENT in whole
    assert DONE in whole
    assert b"".join(written) == whole
    return written


@pytest.mark.parametrize("hooks_wait", [False, True])
@pytest.mark.parametrize("is_ahead", [False, True])
def test_head_waits_for_the_event_that_is_there_and_no_other(
    *, is_ahead: bool, hooks_wait: bool
) -> None:
    turn = writes_of_a_turn(is_ahead=is_ahead, hooks_wait=hooks_wait)
    first, *_ = asyncio.run(turn, loop_factory=loop_factory())
    assert first.startswith(b"HTTP/1.1 200")
    assert (EVENT in first) is is_ahead
