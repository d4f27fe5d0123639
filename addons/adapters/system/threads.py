"""Work in a daemon thread.

Never joins a thread: the end of the process does not wait for one.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread


def in_thread[Result](work: Callable[[], Result], name: str) -> Future[Result]:
    """Do work in a daemon thread of this name."""
    future: Future[Result] = Future()

    # A cancelled future could not be given the result.
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001  raised again by `Future.result`
            future.set_exception(error)

    Thread(target=run, name=name, daemon=True).start()
    return future
