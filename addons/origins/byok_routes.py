"""The routes of models.json's rows: each row with its key, its plan and its place in the catalog.

Never does: resolve a key for a table, load a translator before a turn needs it. Invariant: every row becomes a route,
offered or hidden with its reason.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from addons.core.byok_catalog import byok_entry
from addons.core.errors import Problem, told
from addons.core.front import AnswerPlan
from addons.core.limits import Limits
from addons.core.memory import Memory
from addons.core.model_row import ModelRow
from addons.core.models_file import ModelRows
from addons.core.providers.fallback import with_fallbacks
from addons.core.routes import PlanMaker, Route
from addons.core.target import Target
from addons.core.translate.conversation import Dialects
from addons.core.translate.dialect import Dialect
from addons.core.turn import ClientRequest, Plan
from addons.origins.keys import KeyRing, RowKey

Finder = Callable[[str], Route | None]


class ByokRoutes:
    """Makes routes of rows. Lives as long as the process: keys and the memory of answers outlive a table."""

    def __init__(self, env: Mapping[str, str], folder: Path, find: Finder) -> None:
        self.ring = KeyRing(env, folder)
        self._memory = Memory()
        self._find = find

    def routes(self, rows: ModelRows, limits: Limits) -> list[Route]:
        """Every row as a route, in the order of the rows."""
        return [self._route(row, at, limits) for at, row in enumerate(rows.rows)]

    def missing(self, rows: ModelRows) -> tuple[str, ...]:
        """Why rows lack their keys, as it is now: a table is built anew when this changes."""
        return tuple(key.missing() for key in self._keys(rows))

    def troubles(self, rows: ModelRows) -> tuple[str, ...]:
        """What is wrong with commands that should print keys."""
        return tuple(filter(None, (key.trouble() for key in self._keys(rows))))

    def with_fallbacks(self, make_plan: PlanMaker, slugs: Sequence[str]) -> PlanMaker:
        """Give the maker of plans that go on to these routes. They are looked up when a turn begins."""
        if not slugs:
            return make_plan

        def others() -> Sequence[Route]:
            return [route for route in map(self._find, slugs) if route]

        return with_fallbacks(make_plan, others)

    def _keys(self, rows: ModelRows) -> list[RowKey]:
        return [self.ring.key_of(row, row.target) for row in rows.rows if row.target]

    def _route(self, row: ModelRow, position: int, limits: Limits) -> Route:
        target = row.target
        if target is None:
            return _hidden(row)
        key = self.ring.key_of(row, target)
        make_plan: PlanMaker = _Planned(target, key, limits, self._memory).plan
        if row.hidden_because:
            make_plan = _hidden(row).make_plan
        return Route(
            slug=row.slug,
            display_name=row.display_name,
            provider=row.provider,
            model=row.model,
            entry=byok_entry(row, target, position),
            make_plan=self.with_fallbacks(make_plan, row.fallback),
            hidden_because=row.hidden_because or key.missing(),
        )


def _hidden(row: ModelRow) -> Route:
    reply = Problem(404, "invalid_prompt", f"{row.slug}: {row.hidden_because}")

    def refuse(request: ClientRequest, _route: Route) -> Plan:
        return AnswerPlan(told(reply, to_codex=request.is_codex))

    return Route(
        row.slug, row.display_name, row.provider, row.model, {}, refuse, row.hidden_because
    )


class _Planned:
    """Makes the plans of one target. What they are made of is loaded when the first turn comes."""

    def __init__(self, target: Target, key: RowKey, limits: Limits, memory: Memory) -> None:
        self._target = target
        self._key = key
        self._limits = limits
        self._memory = memory

    def plan(self, request: ClientRequest, route: Route) -> Plan:
        """Begin the plan of one turn."""
        return self._maker(request, route)

    @cached_property
    def _maker(self) -> PlanMaker:
        if self._target.dialect is Dialects.RESPONSES:
            return self._native()
        return self._translated()

    def _native(self) -> PlanMaker:
        from addons.core.providers.native import Native  # noqa: PLC0415

        target, key, limits = self._target, self._key, self._limits
        return Native(target=target, key=key, clock=time.time, limits=limits).plan

    def _translated(self) -> PlanMaker:
        from addons.core.providers.byok import Byok  # noqa: PLC0415
        from addons.core.translate import chat, messages  # noqa: PLC0415
        from addons.core.translate.reading import read_request  # noqa: PLC0415

        dialects: Mapping[Dialects, Dialect] = {Dialects.CHAT: chat, Dialects.MESSAGES: messages}
        byok = Byok(
            target=self._target,
            key=self._key,
            dialect=dialects[self._target.dialect],
            read=read_request,
            ids=lambda: uuid.uuid4().hex,
            clock=time.time,
            memory=self._memory,
            limits=self._limits,
        )
        return byok.plan
