"""The routes of Cursor's models, and the parts of this machine that their turns use.

Never does: start a process when a table is built. Invariant: the routes always exist; they are offered while turns can
go to Cursor, and otherwise hidden with the reason.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from addons.adapters.cursor.agent import CursorAgent
from addons.adapters.cursor.workspace import Workspaces
from addons.core.cursor.catalog import NAMES, SLUG, cursor_entry
from addons.core.cursor.command import child_env
from addons.core.cursor.settings import cursor_settings
from addons.core.limits import Limits
from addons.core.protocols.responses.response_store import ResponseStore
from addons.core.routes import Route
from addons.core.turn import ClientRequest, Plan

if TYPE_CHECKING:
    from addons.adapters.cursor.runner import PrintRunner
    from addons.core.providers.cursor import CursorProvider

PROVIDER = "cursor"


class CursorRoutes:
    """Builds the routes. Lives as long as the process, because children and stored responses outlive a table."""

    def __init__(
        self,
        env: Mapping[str, str],
        own_ports: frozenset[int],
        clock: Callable[[], float],
        key_variables: Callable[[], frozenset[str]],
    ) -> None:
        self._env = env
        self._key_variables = key_variables
        self.own_ports = own_ports
        """The ports of the shim. A proxy variable that points at one is not passed to children."""
        self.settings = cursor_settings(env)
        self.agent = CursorAgent(env, self.settings, self._child_env, clock)
        self.workspaces = Workspaces(env, self.settings.workspace)
        self._memory = ResponseStore()

    @property
    def reason(self) -> str:
        """Why no turn can go to Cursor now; empty when turns can."""
        return self.agent.available.reason

    @property
    def file(self) -> Path:
        """The file that stores the last known login state."""
        return self.agent.file

    def routes(self, limits: Limits) -> list[Route]:
        """Return one route for each model."""
        models = {SLUG: self.settings.model}
        return [
            Route(
                slug=slug,
                display_name=name,
                provider=PROVIDER,
                model=models.get(slug, self.settings.fast_model),
                entry=cursor_entry(slug, self.settings),
                make_plan=_LazyPlanner(self, limits).plan,
                unavailable_reason=self.reason,
            )
            for slug, name in NAMES.items()
        ]

    def provider(self, limits: Limits) -> CursorProvider:
        """Return the provider that makes the plans."""
        from addons.core.providers.cursor import CursorProvider  # noqa: PLC0415  not needed to build a table

        return CursorProvider(
            settings=self.settings,
            workspace=self.workspaces.choose,
            make_source=self.runner.source,
            ids=lambda: uuid.uuid4().hex,
            clock=time.time,
            memory=self._memory,
            limits=limits,
        )

    @cached_property
    def runner(self) -> PrintRunner:
        """The runner of the turns."""
        from addons.adapters.cursor.runner import PrintRunner  # noqa: PLC0415

        agent = self.agent
        return PrintRunner(
            self.settings.max_concurrent,
            binary=lambda: agent.available.binary,
            env=self._child_env,
            request_refresh=agent.request_refresh,
        )

    def _child_env(self) -> dict[str, str]:
        allowed, hidden = self.settings.environment, self._key_variables()
        return child_env(self._env, self.own_ports, allowed, hidden)

    async def refresh(self) -> None:
        """Refresh the login state, and save it for commands and the next start. Never raises."""
        import asyncio  # noqa: PLC0415

        if "runner" in self.__dict__ and self.runner.starting.locked():
            # Both would write the same settings file of Cursor, and the turn shows the login state as well.
            return
        await self.agent.refresh()
        await asyncio.to_thread(self.agent.save)

    async def close(self) -> None:
        """End every child."""
        if "runner" in self.__dict__:
            await self.runner.close()


class _LazyPlanner:
    """Makes the plans of one table's routes. Loads the provider with the first turn."""

    def __init__(self, cursor: CursorRoutes, limits: Limits) -> None:
        self._cursor = cursor
        self._limits = limits

    def plan(self, request: ClientRequest, route: Route) -> Plan:
        """Return the plan of one turn."""
        return self._provider.plan(request, route)

    @cached_property
    def _provider(self) -> CursorProvider:
        return self._cursor.provider(self._limits)
