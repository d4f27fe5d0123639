"""The order of the start check: version, names, imports, a few turns through the real engine.

The names are checked first because they give the clearest message. The turns notice what no name shows: a method that
returns something else, a generator that is driven in another way.

Never does: serve. Invariant: a difference is reported as `IncompatibleMitmproxyError`, before a listener is open.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

from mitmproxy import version

from addons.proxy.engine.compat import names
from addons.proxy.engine.compat.versions import (
    IncompatibleMitmproxyError,
    SelfTestError,
    incompatible,
    is_tested,
)

if TYPE_CHECKING:
    from addons.proxy.engine.compat.self_test import LoopFactory

OWN_PACKAGES = ("addons", "shim_cli")


def default_loop() -> LoopFactory | None:
    """Return None: asyncio's own event loop."""
    return None


def require_tested_mitmproxy(find_loop: Callable[[], LoopFactory | None] = default_loop) -> None:
    """Raise IncompatibleMitmproxyError unless the engine can serve with the installed mitmproxy.

    `find_loop` returns the event loop that will serve. It may import what depends on mitmproxy.
    """
    differences = names.differences()
    if differences or not is_tested(version.VERSION):
        raise incompatible(differences)
    with explain_start_failure():
        loop_factory = find_loop()
        # Imported here: an import that fails is one of the differences.
        from addons.proxy.engine.compat import self_test  # noqa: PLC0415

        self_test.run(loop_factory)


@contextmanager
def explain_start_failure() -> Iterator[None]:
    """Turn an exception into IncompatibleMitmproxyError. For imports and set-up, never for the turns of a client."""
    try:
        yield
    except Exception as error:
        failure = start_failure(error)
        if failure is error:
            raise
        raise failure from error


def end_process(message: str) -> NoReturn:
    """Print a message and end the process with exit code 1, at once.

    mitmdump and mitmweb listen before they load a script. While they end in the usual way, they would serve clients
    without the shim.
    """
    sys.stderr.write(message + "\n")
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(1)


def start_failure(error: Exception) -> Exception:
    """Return what to raise for an exception before the listener is open: the same one if mitmproxy has no part in it."""
    match error:
        case IncompatibleMitmproxyError() | OSError():
            return error
        case ImportError() if (error.name or "").partition(".")[0] in OWN_PACKAGES:
            return error
        case ImportError():
            return incompatible([names.missing_import(error)])
        case SelfTestError():
            return incompatible([f"{error} (self-test)"])
        case _:
            return incompatible([f"{type(error).__name__}: {error}"])
