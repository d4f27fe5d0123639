"""A thread for the hooks of one turn, so that a hook that is slow or never returns delays nobody else.

Functions run in the thread; coroutines of hooks run in one event loop that all turns share, in another thread. Neither is
the thread of the proxy. Never does: wait for a hook that is overdue. Invariant: the calls of one turn come one after the
other; after an overdue call nothing more runs in its thread, which ends with the process at the latest.
"""

from __future__ import annotations

import asyncio
import inspect
import queue
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn, cast

from addons.core.hooks.chain import ON_END, ON_EVENT, ON_TURN, Hook, HookError, overdue

SECONDS = {ON_TURN: 5.0, ON_EVENT: 2.0, ON_END: 5.0}
"""How long one call of a hook may take."""
Job = Callable[[], object]


@dataclass(slots=True)
class _Call:
    """The call under way in the thread."""

    hook: Hook
    name: str
    began: float
    coroutine: Future[object] | None = None

    @property
    def left(self) -> float:
        """Seconds until it is overdue."""
        return self.began + SECONDS[self.name] - time.monotonic()


@dataclass(frozen=True, slots=True)
class _Raised:
    """What a coroutine has raised."""

    error: BaseException


async def _result_of(coroutine: Coroutine[Any, Any, object]) -> object:
    """Await a coroutine of a hook. A SystemExit or KeyboardInterrupt of it would end the loop of all hooks."""
    try:
        return await coroutine
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001  raised in the thread of the turn
        return _Raised(error)


def _run(loop: asyncio.AbstractEventLoop) -> NoReturn:
    """Run a loop for good: a hook that stops it, or exits in a task of its own, ends no other hook."""
    while True:
        with suppress(BaseException):
            loop.run_forever()


class HookLoop:
    """The event loop for the coroutines of hooks. It begins with the first one."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    def submit(self, coroutine: Coroutine[Any, Any, object]) -> Future[object]:
        """Run a coroutine of a hook."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                run = partial(_run, self._loop)
                threading.Thread(target=run, name="async hooks", daemon=True).start()
        return asyncio.run_coroutine_threadsafe(_result_of(coroutine), self._loop)


@dataclass(slots=True)
class HookWorker:
    """Runs jobs that call hooks, in order. `call` is for the jobs."""

    loop: HookLoop
    _jobs: queue.SimpleQueue[tuple[Job, Future[object]] | None] = field(
        default_factory=queue.SimpleQueue
    )
    _thread: threading.Thread | None = None
    _current: _Call | None = None
    hung: Hook | None = None
    """The hook that did not return in time. The worker takes no more jobs."""

    async def run[T](self, job: Callable[[], T]) -> T:
        """Return what a job returns. Raises what it raises, and HookError if a hook in it is overdue."""
        done = self._submit(job)
        waiting = asyncio.wrap_future(done)
        while True:
            call = self._current
            left = max(0.0, call.left) if call else min(SECONDS.values())
            await asyncio.wait((waiting,), timeout=left)
            if waiting.done():
                return cast("T", waiting.result())
            if call is not None and call is self._current and call.left <= 0:
                waiting.cancel()
                raise self._given_up(call)

    def _submit(self, job: Job) -> Future[object]:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="hooks", daemon=True)
            self._thread.start()
        done: Future[object] = Future()
        self._jobs.put((job, done))
        return done

    def _given_up(self, call: _Call) -> HookError:
        self.hung = call.hook
        if call.coroutine:
            call.coroutine.cancel()
        self.stop()
        return HookError(overdue(call.hook, call.name, SECONDS[call.name]))

    def stop(self) -> None:
        """Let the thread end after its last job."""
        if self._thread:
            self._jobs.put(None)

    def end_with(self, job: Job) -> Future[object]:
        """Run a last job, and let the thread end. Nobody waits for it."""
        done = self._submit(job)
        self.stop()
        return done

    def call(self, hook: Hook, name: str, *arguments: object) -> object:
        """Call a function of a hook, in the thread, and wait for its coroutine if it has one."""
        function = hook.function(name)
        assert function  # noqa: S101  the chain calls what there is
        call = self._current = _Call(hook, name, time.monotonic())
        try:
            result = function(*arguments)
            if inspect.iscoroutine(result):
                call.coroutine = self.loop.submit(result)
                result = call.coroutine.result()
                if isinstance(result, _Raised):
                    raise result.error
            return result
        finally:
            self._current = None

    def _work(self) -> None:
        while (next_job := self._jobs.get()) is not None:
            job, done = next_job
            if not done.set_running_or_notify_cancel():
                continue
            try:
                result = job()
            except BaseException as error:  # noqa: BLE001  given to whoever waits for the job
                with suppress(Exception):
                    done.set_exception(error)
            else:
                with suppress(Exception):
                    done.set_result(result)
