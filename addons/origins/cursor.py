"""The routes of Cursor's models, and everything that their turns need of this machine.

Never does: start anything when a table is built. Invariant: the routes are there at all times, offered while turns can
go to Cursor and else hidden with the reason.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from addons.core.cursor.catalog import NAMES, SLUG, cursor_entry
from addons.core.cursor.command import child_env
from addons.core.cursor.settings import cursor_settings
from addons.core.limits import Limits
from addons.core.memory import Memory
from addons.core.routes import Route
from addons.core.turn import ClientRequest, Plan
from addons.origins.cursor_agent import CursorAgent
from addons.origins.cursor_workspace import Workspaces

if TYPE_CHECKING:
    from addons.core.providers.cursor import Cursor
    from addons.origins.cursor_runner import PrintRunner

PROVIDER = "cursor"


class CursorRoutes:
    """Makes them. Lives as long as the process: children and the memory of answers outlive a table."""

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
        """Where the shim listens: a proxy variable that leads there is kept from children."""
        self.settings = cursor_settings(env)
        self.agent = CursorAgent(env, self.settings, self._child_env, clock)
        self.workspaces = Workspaces(env, self.settings.workspace)
        self._memory = Memory()

    @property
    def reason(self) -> str:
        """Why no turn can go to Cursor now; empty when one can."""
        return self.agent.available.reason

    @property
    def file(self) -> Path:
        """Where the last look at the login is kept."""
        return self.agent.file

    def routes(self, limits: Limits) -> list[Route]:
        """Every model as a route."""
        models = {SLUG: self.settings.model}
        return [
            Route(
                slug=slug,
                display_name=name,
                provider=PROVIDER,
                model=models.get(slug, self.settings.fast_model),
                entry=cursor_entry(slug, self.settings),
                make_plan=_Planned(self, limits).plan,
                hidden_because=self.reason,
            )
            for slug, name in NAMES.items()
        ]

    def provider(self, limits: Limits) -> Cursor:
        """What makes the plans."""
        from addons.core.providers.cursor import Cursor  # noqa: PLC0415  a table is built without it

        return Cursor(
            settings=self.settings,
            workspace=self.workspaces.choose,
            make_origin=self.runner.origin,
            ids=lambda: uuid.uuid4().hex,
            clock=time.time,
            memory=self._memory,
            limits=limits,
        )

    @cached_property
    def runner(self) -> PrintRunner:
        """What runs the turns."""
        from addons.origins.cursor_runner import PrintRunner  # noqa: PLC0415

        agent = self.agent
        return PrintRunner(
            self.settings.max_concurrent,
            binary=lambda: agent.available.binary,
            env=self._child_env,
            doubt=agent.doubt,
        )

    def _child_env(self) -> dict[str, str]:
        wanted, hidden = self.settings.environment, self._key_variables()
        return child_env(self._env, self.own_ports, wanted, hidden)

    async def look(self) -> None:
        """Ask for the login, and keep what was found for commands and the next start. Never raises."""
        import asyncio  # noqa: PLC0415

        if "runner" in self.__dict__ and self.runner.starting.locked():
            # both would write the same settings file of Cursor's; how the turn goes tells as much
            return
        await self.agent.refresh()
        await asyncio.to_thread(self.agent.keep)

    async def close(self) -> None:
        """End every child."""
        if "runner" in self.__dict__:
            await self.runner.close()


class _Planned:
    """Makes the plans of one table's routes. What they are made of is loaded when the first turn comes."""

    def __init__(self, cursor: CursorRoutes, limits: Limits) -> None:
        self._cursor = cursor
        self._limits = limits

    def plan(self, request: ClientRequest, route: Route) -> Plan:
        """Begin the plan of one turn."""
        return self._provider.plan(request, route)

    @cached_property
    def _provider(self) -> Cursor:
        return self._cursor.provider(self._limits)
