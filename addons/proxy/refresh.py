"""Background tasks: the account's models, Cursor's login and the model servers on this machine are asked again and again.

Once after the start, what the first turns would import and compile is loaded.

Never does: raise, or let a turn wait. Invariant: the sources are looked up anew for each request, because changed
settings replace them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from mitmproxy.utils import asyncio_utils

from addons.adapters.route_sources import RouteSources
from addons.adapters.row_routes import load_protocols
from addons.core.codex.login import Login, LoginProblem
from addons.core.upstream.patterns import compile_before_turns

log = logging.getLogger(__name__)

REFRESH_SECONDS = 300.0
"""How often the account's model list is asked for. Unchanged, it costs one 304."""
LOCAL_SECONDS = 2.0
"""How often the model servers on this machine are looked through for one that is due."""
NO_LOCAL_SECONDS = 15.0
"""How often the rows are looked through for such a server while none is named."""
LOGIN_POLL_SECONDS = 2.0
"""How often the login is looked at. The models of a new login are asked for at once."""


class BackgroundRefresh:
    """Runs while the listener is up. Needs a running event loop."""

    def __init__(
        self, sources: Callable[[], RouteSources], expect_turn: Callable[[], bool]
    ) -> None:
        self._sources = sources
        self._expect_turn = expect_turn
        """Prepares for a turn of a new login. Returns whether that was possible: the details of a login may be missing."""
        self._tasks = (
            asyncio_utils.create_task(self._account(), name="account models", keep_ref=True),
            asyncio_utils.create_task(self._cursor(), name="cursor login", keep_ref=True),
            asyncio_utils.create_task(self._local(), name="local servers", keep_ref=True),
        )

    def cancel(self) -> None:
        """Stop asking."""
        for task in self._tasks:
            task.cancel()

    async def wait(self) -> None:
        """Wait for the tasks to end. A task ends what it has started itself."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _account(self) -> None:
        is_same = False
        while True:
            # Taken before the request: a login that changes meanwhile is asked for at once.
            login = self._sources().logins.current()
            is_prepared = is_same or self._expect_turn()
            await self._ask()
            if not is_prepared:
                self._expect_turn()
            due, is_same = time.monotonic() + REFRESH_SECONDS, True
            while is_same and time.monotonic() < due:
                # Before anything else, so that no state of the login makes this a loop without a pause.
                await asyncio.sleep(LOGIN_POLL_SECONDS)
                is_same = _is_same(self._sources().logins.current(), login)

    async def _ask(self) -> None:
        try:
            await self._sources().refresh()
        except (OSError, ValueError, RuntimeError, ExceptionGroup) as error:
            # A later try may succeed, and a task that has ended tries no more.
            log.warning(
                "asking for the account's models failed: %s; codex-shim tries again later",
                type(error).__name__,
            )

    async def _cursor(self) -> None:
        while True:
            cursor = self._sources().cursor
            await cursor.refresh()
            await cursor.agent.wait_for_refresh()

    async def _local(self) -> None:
        try:
            while True:
                has_servers = await self._poll_local_servers()
                await asyncio.sleep(LOCAL_SECONDS if has_servers else NO_LOCAL_SECONDS)
        finally:
            await self._sources().row_routes.local.stop()

    async def _poll_local_servers(self) -> bool:
        try:
            return await self._sources().poll_local_servers()
        except Exception as error:  # noqa: BLE001  error boundary: a task that has ended asks no more
            log.warning(
                "asking the model servers on this machine failed: %s; codex-shim tries again later",
                type(error).__name__,
            )
            return False


async def prepare_turns(sources: RouteSources) -> None:
    """Load what the first turn of a row would wait for. Patterns one in each round of the loop: the longest takes 2 ms."""
    await asyncio.to_thread(load_protocols, sources.rows.rows)
    for _ in compile_before_turns():
        await asyncio.sleep(0)


def _is_same(now: Login | LoginProblem, before: Login | LoginProblem) -> bool:
    """Return whether the login is still the one before. The details of its account do not make it another one."""
    if isinstance(now, Login) and isinstance(before, Login):
        return now.method is before.method and now.same_token(before)
    return now == before
