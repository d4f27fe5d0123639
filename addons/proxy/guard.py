"""The border around each hook: what raises in one is logged under an id, and the client is told that id.

Never does: let a flow pass. Invariant: a hook that failed admits nothing, so nothing leaves; mitmproxy alone would log
a traceback that quotes the exception, and carry the flow on.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Protocol

from mitmproxy import http

from addons.core.errors import problem_of
from addons.proxy.engine.engine import Engine


class HasEngine(Protocol):
    """An addon in front of the engine."""

    engine: Engine


def fail_closed[A: HasEngine, E](hook: Callable[[A, E], None]) -> Callable[[A, E], None]:
    """Make a hook that never raises: a flow it failed on is refused with a typed error."""

    @functools.wraps(hook)
    def guarded(addon: A, event: E) -> None:
        try:
            hook(addon, event)
        except Exception as error:  # noqa: BLE001  border three: our own hooks
            fault = addon.engine.internal_fault(error)
            if isinstance(event, http.HTTPFlow):
                addon.engine.admit_head(event, problem_of(fault))

    return guarded
