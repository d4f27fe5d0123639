"""Feeds a stream from a local source by injected events, no faster than the client reads.

Injection does not wait, so the source writes into a queue bounded in bytes. The pump takes all of it, injects one joined
buffer, waits until the client's socket has room, and takes the next. A full queue pauses the source.

Never does: outlive its turn. Invariant: each source gives its stream exactly one last message, END or FAULT.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from mitmproxy.utils import asyncio_utils

from addons.core.turn import Fault, LocalSource, Plan, WorksInSlices
from addons.proxy.engine.injected import Injected, Signal

Deliver = Callable[[Injected], Awaitable[None]]
"""Delivers a message to the stream. Returns once the stream has handled it and the client's socket has room."""


SLICED_BYTES = 512 * 1024
"""Bytes of a request body from which on a plan works in slices, if it can."""


async def work_in_slices(plan: Plan) -> None:
    """Let a plan do the work of its `start` in slices. Other streams have their turn before each, and after the last."""
    await _other_streams()
    while isinstance(plan, WorksInSlices) and plan.slice():
        await _other_streams()
    await _other_streams()


async def _other_streams() -> None:
    """Return after two rounds of the event loop: a read comes in one, and the task that waits for it runs in the next."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


class SourcePump:
    """Runs one local source and its pump. `cancel` ends both."""

    def __init__(
        self,
        stream_id: int,
        deliver: Deliver,
        queue_bytes: int,
        explain: Callable[[BaseException], Fault],
    ) -> None:
        self._stream_id = stream_id
        self._deliver = deliver
        self._queue_bytes = queue_bytes
        self._explain = explain
        self._parts: list[bytes] = []
        self._size = 0
        self._readable = asyncio.Event()
        self._room = asyncio.Event()
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._data, self._end = Signal.DATA, Signal.END
        self._last: Injected | None = None
        self._stopped = False

    def start(
        self, source: LocalSource, data: Signal = Signal.DATA, end: Signal = Signal.END
    ) -> None:
        """Start the source. Its end, or its exception, becomes the last message of the stream.

        `data` and `end` are what the messages say.
        """
        self._data, self._end = data, end
        self._tasks = (
            asyncio_utils.create_task(self._run(source), name="local source", keep_ref=True),
            asyncio_utils.create_task(self._pump(), name="local source pump", keep_ref=True),
        )

    def cancel(self) -> None:
        """Stop the source and drop what it wrote. Safe to call twice and from its own delivery."""
        self._stopped = True
        for task in self._tasks:
            task.cancel("the turn has ended")
        self._tasks = ()

    async def write(self, data: bytes) -> None:
        """Queue bytes for the client; wait while the queue is full."""
        while self._size >= self._queue_bytes:
            self._room.clear()
            await self._room.wait()
        self._parts.append(data)
        self._size += len(data)
        self._readable.set()

    async def _run(self, source: LocalSource) -> None:
        try:
            await source(self)
        except asyncio.CancelledError as error:
            if self._stopped:
                raise
            # not cancelled by `cancel`: something that it waited for was, and the client must not wait on
            self._end_with(error)
        except Exception as error:  # noqa: BLE001  the source's boundary: its failure ends the turn
            self._end_with(error)
        else:
            self._last = Injected(self._stream_id, self._end)
            self._readable.set()

    def _end_with(self, error: BaseException) -> None:
        self._last = Injected(self._stream_id, Signal.FAULT, fault=self._explain(error))
        self._readable.set()

    async def _pump(self) -> None:
        while True:
            await self._readable.wait()
            self._readable.clear()
            last, joined = self._last, b"".join(self._parts)
            self._parts.clear()
            self._size = 0
            self._room.set()
            if joined:
                await self._deliver(Injected(self._stream_id, self._data, joined))
            if last:
                await self._deliver(last)
                return
