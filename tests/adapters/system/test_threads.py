from __future__ import annotations

from threading import current_thread

import pytest

from addons.adapters.system.threads import in_thread


def test_result_and_exception_of_the_work_reach_the_caller() -> None:
    thread = in_thread(current_thread, "of its own").result(10)
    assert (thread.name, thread.daemon) == ("of its own", True)
    with pytest.raises(ZeroDivisionError):
        in_thread(lambda: 1 / 0, "fails").result(10)


def test_future_cannot_be_cancelled_while_the_work_goes_on() -> None:
    future = in_thread(lambda: 1, "goes on")
    assert not future.cancel()
    assert future.result(10) == 1
