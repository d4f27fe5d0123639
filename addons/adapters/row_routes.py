"""The routes of models.json's rows: each row with its key, its plan and its catalog entry.

Never resolves a key for the table or loads a translator before a turn needs it. Invariant: every row becomes a route,
either offered or hidden with a reason.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

from addons.adapters.api_keys import KeyRing, RowKey
from addons.adapters.local.watch import LocalServers
from addons.adapters.traits_store import FileTraits, traits_file
from addons.core.codex.row_catalog import row_entry
from addons.core.errors import INVALID_PROMPT, Problem, error_reply
from addons.core.limits import Limits
from addons.core.protocols.responses.response_store import ResponseStore
from addons.core.protocols.translator import load_translator
from addons.core.providers.fallback import Fallbacks
from addons.core.providers.load_wait import LoadBound
from addons.core.providers.vision import NoDescriptions, Vision
from addons.core.routes import Cause, Circuit, OneStepPlan, PlanMaker, Route
from addons.core.settings.labels import row_label
from addons.core.settings.local_rows import current_target, server_of
from addons.core.settings.models_file import NO_ROWS, ModelRows
from addons.core.settings.presets import family_for
from addons.core.settings.profiles import profile_for
from addons.core.settings.row import ModelRow
from addons.core.turn import Answer, ClientRequest, Plan
from addons.core.upstream.api_keys import KeyProblem
from addons.core.upstream.local.state import NO_FACTS, LocalFacts
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target
from addons.core.upstream.traits import NO_TRAITS, Traits, adapted

AZURE_DEPLOYMENT = re.compile(r"/openai/deployments/[^/]+\Z")

FindRoute = Callable[[str], Route | None]


class RouteParts(NamedTuple):
    """The parts of a row's route."""

    row: ModelRow
    key: RowKey | None
    position: int
    limits: Limits
    traits: Traits
    missing: str
    """Why the key is missing now; empty if it is not."""
    vision: str = ""
    """The slug of the model that describes pictures for this row; empty for none."""
    local: LocalFacts = NO_FACTS
    """What its server on this machine said; nothing for another upstream."""


class KnownRoute(NamedTuple):
    """A route, and what it was made of."""

    parts: RouteParts
    route: Route


KnownRoutes = Mapping[str, KnownRoute]
"""By slug, in the order of the rows."""


class RowRoutes:
    """Makes routes of rows. It lives as long as the process: its keys and stored responses outlive a route table."""

    def __init__(self, env: Mapping[str, str], folder: Path, find: FindRoute) -> None:
        self.ring = KeyRing(env, folder)
        self.traits = FileTraits(traits_file(env))
        self.local = LocalServers(env)
        self._memory = ResponseStore()
        self.fallbacks = Fallbacks(time.time)
        self.vision = Vision(find, NoDescriptions(), is_row=self._is_row)
        self._find = find
        self.known: KnownRoutes = {}
        """The routes of the last call. A row of which nothing changed keeps its route and its key."""
        self._checked: tuple[ModelRows, KnownRoutes, list[RowKey]] = (NO_ROWS, self.known, [])
        """Rows, their routes, and those of their keys that each turn looks up."""

    def routes(self, rows: ModelRows, limits: Limits, vision: str = "") -> list[Route]:
        """Return a route for every row, in the order of the rows. `vision` describes pictures if a row names no other."""
        self.known = self.make(rows, limits, self.known, vision)
        return [each.route for each in self.known.values()]

    def make(
        self, rows: ModelRows, limits: Limits, known: KnownRoutes, vision: str = ""
    ) -> KnownRoutes:
        """Return a route for every row. Changes nothing here, so that a thread may call it for thousands of rows."""
        made: dict[str, KnownRoute] = {}
        for at, row in enumerate(rows.rows):
            found = known.get(row.slug)
            parts = self._parts(row, at, limits, found)
            parts = parts._replace(vision=self._vision_for(parts, vision))
            kept = found and found.parts == parts
            if found and kept:
                made[row.slug] = found
                continue
            route = self._route(parts)
            if found and _is_same_upstream(found.parts, parts):
                route = replace(route, circuit=found.route.circuit)
            made[row.slug] = KnownRoute(parts, route)
        return made

    def missing_keys(self, rows: ModelRows) -> tuple[str, ...]:
        """Return why the keys that are looked up are missing now. A change means that the table is stale."""
        checked_rows, known, checked = self._checked
        if checked_rows is not rows or known is not self.known:
            checked = [key for key in self._keys(rows) if key.is_looked_up]
            self._checked = (rows, self.known, checked)
        return tuple([key.missing_reason() for key in checked])

    def down_servers(self, rows: ModelRows) -> list[dict[str, object]]:
        """Return what is known of each model server on this machine that does not answer, as of an open circuit."""
        return [
            {
                "slugs": [row.slug for row in rows.rows if server_of(row) == server],
                "state": "down",
                "cause": str(Cause.UNREACHABLE),
                "since": since,
                "text": text,
            }
            for server, since, text in self.local.down
        ]

    def command_problems(self, rows: ModelRows) -> tuple[str, ...]:
        """Return the problems of commands that should print keys."""
        return tuple(filter(None, (key.command_problem() for key in self._keys(rows))))

    def with_fallbacks(self, make_plan: PlanMaker, slugs: Sequence[str]) -> PlanMaker:
        """Return a maker of plans that fall back to these routes. They are looked up when a turn begins."""
        if not slugs:
            return make_plan

        def others() -> Sequence[Route]:
            return [route for route in map(self._find, slugs) if route]

        return self.fallbacks.maker(make_plan, others)

    def _is_row(self, route: Route) -> bool:
        known = self.known.get(route.slug)
        return known is not None and known.route is route

    def _keys(self, rows: ModelRows) -> list[RowKey]:
        keys = (self._key(row, self.known.get(row.slug)) for row in rows.rows)
        return [key for key in keys if key]

    def _key(self, row: ModelRow, known: KnownRoute | None) -> RowKey | None:
        if known and known.parts.row is row:
            return known.parts.key
        return self.ring.key_for(row, row.target) if row.target else None

    def _parts(
        self, row: ModelRow, position: int, limits: Limits, known: KnownRoute | None
    ) -> RouteParts:
        key = self._key(row, known)
        if key is None or row.target is None:
            return RouteParts(row, None, position, limits, NO_TRAITS, "")
        traits = self.traits.current(row.target.traits_scope)
        local = self.local.facts(row)
        missing = key.missing_reason()
        return RouteParts(row, key, position, limits, traits, missing, local=local)

    def _vision_for(self, parts: RouteParts, default: str) -> str:
        """Return the model that describes pictures for a row. The default is for those that take none."""
        row, target = parts.row, parts.row.target
        if row.vision or not default or target is None or row.slug == default:
            return row.vision
        target = current_target(row, target, parts.local)
        return "" if adapted(target, parts.traits).images else default

    def _route(self, made_of: RouteParts) -> Route:
        row, key, position, limits, traits, missing, vision, local = made_of
        if row.target is None or key is None:
            return _hidden_route(row)
        target = current_target(row, row.target, local)
        parts = _RowParts(key, limits, self._memory, self.traits, _load_bound(made_of))
        make_plan: PlanMaker = _LazyPlanMaker(target, parts).plan
        if row.unavailable_reason:
            make_plan = _hidden_route(row).make_plan
        make_plan = self.vision.maker(make_plan, vision)
        offered = adapted(target, traits)
        if vision:
            # Codex then lets the user attach pictures
            offered = replace(offered, images=True)
        make_entry = partial(row_entry, row, offered, position)
        return Route(
            slug=row.slug,
            display_name=row.display_name,
            provider=row.provider,
            model=row.model,
            entry=make_entry(),
            make_entry=make_entry,
            make_plan=self.with_fallbacks(make_plan, row.fallback),
            vision=vision,
            unavailable_reason=row.unavailable_reason or missing or local.reason,
            label=row_label(row),
            circuit=Circuit(_subject(key)),
        )


def _is_same_upstream(before: RouteParts, now: RouteParts) -> bool:
    """Return whether the circuit of a route says the same of the next one. A server that has started is another."""
    first, second = ((one.row, one.key, one.local.down_since) for one in (before, now))
    return now.key is not None and first == second


def _load_bound(parts: RouteParts) -> LoadBound | None:
    """Return how long turns wait for the server of a row; None if it is no model server on this machine.

    With a fallback, a turn does not wait for a server that is not there.
    """
    server = server_of(parts.row)
    if server is None:
        return None
    seconds, row = parts.limits.load_seconds, parts.row
    down_since = parts.local.down_since
    starts_until = None if down_since is None else down_since + seconds
    return LoadBound(server, seconds, starts_until, waits_for_start=not row.fallback)


def _subject(key: RowKey) -> Callable[[], object]:
    """Return a function that tells one key of a row from the next: the last one counts while there is none."""
    known: tuple[bytes, ...] = ()

    def subject() -> tuple[bytes, ...]:
        nonlocal known
        found = key.current()
        if not isinstance(found, KeyProblem):
            known = tuple(each.secret.digest for each in found)
        return known

    return subject


def _hidden_route(row: ModelRow) -> Route:
    problem = Problem(404, INVALID_PROMPT, f"{row.slug}: {row.unavailable_reason}")

    def refuse(request: ClientRequest, _route: Route) -> Plan:
        return OneStepPlan(Answer(error_reply(problem, to_codex=request.is_codex)))

    return Route(
        slug=row.slug,
        display_name=row.display_name,
        provider=row.provider,
        model=row.model,
        entry={},
        make_plan=refuse,
        unavailable_reason=row.unavailable_reason,
        label=row_label(row),
    )


def load_protocols(rows: Iterable[ModelRow]) -> None:
    """Import what the first turn of each of these rows needs. Takes up to 50 ms: for a thread."""
    for protocol in {row.target.protocol for row in rows if row.target}:
        if protocol.spec.translator:
            import addons.core.protocols.responses.request  # noqa: PLC0415
            import addons.core.providers.translated  # noqa: PLC0415

            load_translator(protocol.spec)
        else:
            import addons.core.providers.responses  # noqa: PLC0415, F401


@dataclass(frozen=True, slots=True)
class _RowParts:
    """The dependencies of a row's plans besides its target."""

    key: RowKey
    limits: Limits
    memory: ResponseStore
    traits: FileTraits
    load: LoadBound | None = None


class _LazyPlanMaker:
    """Makes the plans of one target. It imports the provider and the translator at the first turn."""

    def __init__(self, target: Target, parts: _RowParts, *, is_first: bool = True) -> None:
        self._target = target
        self._parts = parts
        self._is_first = is_first

    def plan(self, request: ClientRequest, route: Route) -> Plan:
        """Begin the plan of one turn."""
        return self._make_plan(request, route)

    @cached_property
    def _make_plan(self) -> PlanMaker:
        if self._target.protocol.spec.translator:
            return self._translated()
        return self._unchanged()

    def _unchanged(self) -> PlanMaker:
        from addons.core.providers.responses import ResponsesProvider  # noqa: PLC0415

        other = in_other_protocol(self._target) if self._is_first else None
        return ResponsesProvider(
            target=self._target,
            key=self._parts.key,
            clock=time.time,
            limits=self._parts.limits,
            store=self._parts.traits,
            load=self._parts.load,
            other=_LazyPlanMaker(other, self._parts, is_first=False).plan if other else None,
        ).plan

    def _translated(self) -> PlanMaker:
        from addons.core.protocols.responses.request import read_request  # noqa: PLC0415
        from addons.core.providers.translated import TranslatedProvider  # noqa: PLC0415

        other = in_other_protocol(self._target) if self._is_first else None
        provider = TranslatedProvider(
            target=self._target,
            key=self._parts.key,
            translator=load_translator(self._target.protocol.spec),
            read=read_request,
            ids=lambda: os.urandom(16).hex(),
            clock=time.time,
            memory=self._parts.memory,
            limits=self._parts.limits,
            store=self._parts.traits,
            load=self._parts.load,
            other=_LazyPlanMaker(other, self._parts, is_first=False).plan if other else None,
        )
        return provider.plan


OTHER = {Protocol.CHAT: Protocol.RESPONSES, Protocol.RESPONSES: Protocol.CHAT}
"""Protocols that servers speak side by side."""


def in_other_protocol(target: Target) -> Target | None:
    """Return the same model in the Responses or the chat protocol, whichever its row does not use; None without one."""
    other = OTHER.get(target.protocol)
    path, mark, query = target.path.partition("?")
    suffix = target.protocol.spec.path_suffix
    if other is None or not path.endswith(suffix):
        return None
    # Azure names the deployment in the path of chat completions, and in the body of the Responses API.
    path = AZURE_DEPLOYMENT.sub("/openai", path.removesuffix(suffix)) + other.spec.path_suffix
    family = family_for(target.provider, target.origin.host)
    profile = profile_for(family, target.model, other)
    return replace(target, protocol=other, path=f"{path}{mark}{query}", profile=profile)
