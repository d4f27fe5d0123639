"""Builds what the hooks need and connects the parts: route sources, router, engine, turn log, dashboard.

Never does: look at a flow or a connection; the hooks and the engine do. Invariant: there is one engine, one turn log and
one dashboard per process. Changed settings replace the sources and the router, and running turns go on.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from mitmproxy import ctx, http

from addons.adapters.cassette.use import NO_CASSETTE, CassetteUse
from addons.adapters.cassette.writer import CassetteWriter
from addons.adapters.codex.activate import switch_source
from addons.adapters.codex.config_file import CodexConfig
from addons.adapters.ledger.budget_keeper import BudgetKeeper, BudgetSources
from addons.adapters.ledger.last_turns import read_last_turns
from addons.adapters.ledger.turn_log import TurnLogWriter
from addons.adapters.ledger.usage_report import shipped_prices
from addons.adapters.otel.start import start_export
from addons.adapters.route_sources import RouteSources
from addons.adapters.system.local_token import LocalToken, read_token
from addons.adapters.system.paths import access_log_file, budget_lifts_file, ledger_file
from addons.adapters.system.process_secrets import secrets_in
from addons.adapters.vision.descriptions import PictureDescriptions
from addons.adapters.vision.own_port import OwnPort
from addons.adapters.vision.store import PictureTexts, pictures_file
from addons.adapters.web.dashboard import Dashboard, TurnFiles, TurnSources
from addons.adapters.web.metrics import MetricsSources, ProcessMetrics
from addons.adapters.web.pages import page_file
from addons.core.masking.mask import EchoMask, prepare_mask
from addons.core.providers.route_states import unavailable_routes
from addons.core.secrets import Origin, Secret
from addons.core.server.endpoints import DataSources
from addons.core.server.health import Status
from addons.core.server.router import PlanHooked, Router
from addons.core.server.unknown_paths import UnknownPaths
from addons.core.settings.privacy import Privacy, in_force
from addons.core.telemetry.record import LastTurnStatus, TurnRecord
from addons.core.turn import ClientRequest, Plan
from addons.core.upstream.outbound_proxy import proxy_for
from addons.core.version import VERSION
from addons.proxy.cassettes import Tape, TextTap, TurnTap
from addons.proxy.engine.client_pool import ReadyConnections
from addons.proxy.engine.engine import Engine
from addons.proxy.engine.recorder import OnRecorded
from addons.proxy.heap import INFLATION, LARGE_BODY, MANY_TURNS, HeapTrimmer
from addons.proxy.recent_turns import ContractWatch, RecentTurns

if TYPE_CHECKING:
    from addons.adapters.hooks.turns import HookedTurns
    from addons.adapters.otel.exporter import TurnExporter
    from addons.adapters.privacy.turns import GatedRequests
    from addons.core.hooks.chain import Hook

log = logging.getLogger(__name__)

ALLOW_REMOTE = "codex_shim_allow_remote"
"""The option that lets clients of other machines in."""
MAX_ORIGINS = 256
"""Of upstreams whose outbound proxy is remembered: the environment of a process stays as it is."""


class Composition:
    """The parts of one process."""

    export: TurnExporter | None = None
    """Set by `start_export`, if a collector is configured."""
    export_problems: tuple[str, ...] = ()
    """What keeps turns from being exported."""
    _cassette: CassetteWriter | None = None
    hooks: HookedTurns | None = None
    """Set where turns have hooks."""
    is_always_private = False
    """Whether the privacy gate is on whatever models.json says."""
    _gate: GatedRequests | None = None

    def __init__(
        self, env: Mapping[str, str], sources: RouteSources, cassettes: CassetteUse = NO_CASSETTE
    ) -> None:
        self._env = env
        self._started_at = time.monotonic()
        self._heap = HeapTrimmer()
        self._ended = 0
        self._local_token = LocalToken(env)
        self._env_secrets = secrets_in(env)
        self._proxies = lru_cache(MAX_ORIGINS)(lambda origin: proxy_for(origin, env, 0))
        self._last_status = LastTurnStatus()
        self._taps: list[OnRecorded] = []
        """What takes all that a client got of a turn."""
        self.sources = sources
        self.replay = cassettes.plans(sources.settings.limits)
        self.recent_turns, self.contract_watch = RecentTurns(), ContractWatch(env)
        self.unknown_paths = UnknownPaths()
        self.turn_log = TurnLogWriter(access_log_file(env), ledger_file(env))
        self.dashboard = Dashboard(
            TurnFiles(ledger_file(env), access_log_file(env)),
            TurnSources(
                running=lambda: self.engine.running,
                quota=self._quota,
                unavailable=lambda: [str(one["text"]) for one in self._unavailable()],
                budgets=lambda: self.budgets.report(),  # noqa: PLW0108  it is made later
                prices=lambda: shipped_prices(self.sources.rows.rows),
                table=lambda: self.sources.table(),  # noqa: PLW0108  the sources are replaced
            ),
        )
        self.budgets = self._budget_keeper()
        self.budgets.start()
        self.descriptions = PictureDescriptions(
            OwnPort(lambda: self.address, lambda: read_token(env)).describe,
            PictureTexts(pictures_file(env)),
        )
        self.engine = Engine(
            self._router(),
            sources.settings.limits,
            proxy_for=self._proxy_for,
            on_turn=self._turn_ended,
        )
        self.engine.process_secrets = self._secrets
        self.engine.install()
        self.metrics = ProcessMetrics(self._metrics_sources())
        self.ready = ReadyConnections(self.engine.pool, lambda: self.engine.limits)

    def _budget_keeper(self) -> BudgetKeeper:
        return BudgetKeeper(
            ledger_file(self._env),
            budget_lifts_file(self._env),
            BudgetSources(
                settings=lambda: self.sources.settings,
                rows=lambda: self.sources.rows,
                table=lambda: self.sources.table(),  # noqa: PLW0108  the sources are replaced
                running=lambda: self.engine.running,
            ),
        )

    def ended(self, flow: http.HTTPFlow) -> None:
        """Remember a flow that has ended, and look at it if one is due."""
        if self.export:
            self.export.flow_ended(flow.id, flow.request.headers)
        self.recent_turns.keep(flow)
        self.contract_watch.ended(flow)

    def record(self, path: Path) -> None:
        """Write the turns from now on into a new file. Raises OSError."""
        self._cassette = CassetteWriter(path)
        # the sources are replaced
        self._taps.append(TurnTap(self._cassette, lambda: self.sources.table()).recorded)  # noqa: PLW0108
        self.engine.on_recorded = self._recorded

    def _recorded(self, flow: http.HTTPFlow, turn: TurnRecord, mask: EchoMask, tape: Tape) -> None:
        for tap in self._taps:
            tap(flow, turn, mask, tape)

    def use_hooks(self, hooks: Sequence[Hook]) -> None:
        """Let the turns from now on have these hooks of the user."""
        from addons.proxy.hooks import start_hooks  # noqa: PLC0415  nothing of it is used without hooks

        self.hooks = start_hooks(hooks, self.engine)
        self.engine.router = self._router()

    def close_files(self) -> None:
        """Write what waits to be written. Blocks."""
        if self.hooks:
            self.hooks.close()
        self.turn_log.close()
        if self._cassette:
            self._cassette.close()
        if self.export:
            self.export.close()

    def use_sources(self, sources: RouteSources) -> None:
        """Replace the sources and the router. The engine stays, because it knows the running turns."""
        # The children of the Cursor routes go on, and only these routes count them.
        sources.cursor = self.sources.cursor
        self.sources = sources
        self.engine.router, self.engine.limits = self._router(), sources.settings.limits

    @property
    def port(self) -> int:
        """The port of the listener; 0 before it listens."""
        return self.address[1]

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the listener; port 0 before it listens."""
        addresses = ctx.master.addons.get("proxyserver").listen_addrs()
        return addresses[0][:2] if addresses else ("", 0)

    def expect_turn(self) -> bool:
        """Prepare what the first turn would wait for: a connection, and the mask. Return False if its origin is not known.

        Without a live ChatGPT login there is none. Through an outbound proxy no connection is kept.
        """
        origin = self.sources.account.turn_origin
        if origin:
            self._local_token.rule()  # the mask has the token
            prepare_mask(self._secrets())
        if origin and self.engine.upstream_proxy(origin) is None:
            self.ready.open(origin)
        return origin is not None

    def start_export(self) -> None:
        """Start to export turns, if a collector is configured."""
        problems: list[str] = []
        settings, folder = self.sources.settings, self.sources.settings_source.path.parent
        self.export = export = start_export(settings.traces, self._env, folder, problems.append)
        if export and export.wants_text:
            self._taps.append(TextTap(export, self._is_private).recorded)
            self.engine.on_recorded = self._recorded
        self.export_problems = tuple(problems)
        for problem in problems:
            log.warning("%s", problem)

    async def recall_last_turns(self) -> None:
        """Read from the ledger how the last turn of each model ended, before this process began."""
        try:
            found = await asyncio.to_thread(read_last_turns, ledger_file(self._env))
        except sqlite3.Error:
            # the ledger is made with the first turn
            return
        table = self.sources.table()
        for slug, status in found.items():
            if route := table.resolve(slug):
                self._last_status.recall(route.slug, status)

    def close_streams(self) -> None:
        """End what would delay a shutdown without being a turn."""
        self.dashboard.close()
        self._heap.close()

    def _router(self) -> Router:
        sources = self.sources
        sources.row_routes.fallbacks.affords = self.budgets.affords
        sources.row_routes.vision.descriptions = self.descriptions
        sources.row_routes.vision.may_use_login = self._serves_one_user
        sources.searches.may_use_login = self._serves_one_user
        replay = self.replay
        data = DataSources(
            table=sources.table if replay is None else lambda: replay.table,
            turn_table=sources.table_for,
            status=self._status,
            etag=sources.models_etag,
            active_model=CodexConfig(self._env).find_active_model,
            switch_model=switch_source(self._env, sources.table, lambda: self.port),
            last_turn=self._last_status.get,
            page_file=page_file,
            live_events=self.dashboard.live_events,
            usage_report=self.dashboard.usage_report,
            forward=replay.plan if replay else self._plan_endpoint,
            expect_turn=bool if replay else self.expect_turn,
            recent_turn=self.recent_turns.find,
            original_turn=self.recent_turns.original,
            recent_ids=lambda: self.recent_turns.ids,
            metrics=lambda: self.metrics.families(),  # noqa: PLW0108  made after the router
        )
        return Router(
            data,
            self._max_body_bytes,
            self._local_token.rule,
            self._note_unknown,
            self.budgets.refusal,
            replayed=replay.plan if replay else None,
            hooked=self._hooked,
        )

    def _hooked(self) -> PlanHooked | None:
        """Return what makes the plans of turns that somebody sees on their way; None for nobody."""
        hooked = self.hooks.plan if self.hooks else None
        if not self._is_private():
            return hooked
        gated = self.gate.plan_turn
        if hooked is None:
            return gated
        return lambda request, make: hooked(request, lambda edited: gated(edited, make))

    def _plan_endpoint(self, request: ClientRequest) -> Plan:
        plan = self.sources.plan_endpoint
        return self.gate.plan(request, plan) if self._is_private() else plan(request)

    @property
    def privacy(self) -> Privacy:
        """What the privacy gate does now."""
        return in_force(self.sources.settings.privacy, always=self.is_always_private)

    def _is_private(self) -> bool:
        """Return whether the privacy gate is on."""
        return self.is_always_private or self.sources.settings.privacy.is_on

    @property
    def gate(self) -> GatedRequests:
        """The privacy gate, made when it is used first."""
        if self._gate is None:
            from addons.proxy.privacy import gated_requests  # noqa: PLC0415  nothing of it is used while it is off

            self._gate = gated_requests(
                self._env, lambda: self.sources, lambda: self.is_always_private
            )
        return self._gate

    def _metrics_sources(self) -> MetricsSources:
        return MetricsSources(
            running=lambda: len(self.engine.running),
            idle_connections=lambda: len(self.engine.pool),
            circuits=self._unavailable,
            budgets=self.budgets.report,
            quota=self._quota,
            rows=lambda: self.sources.rows,
        )

    def _serves_one_user(self) -> bool:
        """Return whether every client is this user: it shows the local token, or is on this machine."""
        return self._local_token.rule().required or not getattr(ctx.options, ALLOW_REMOTE)

    def _secrets(self) -> Iterable[Secret]:
        """Return the secrets that this process has read, whatever the turn uses of them."""
        yield from self._env_secrets
        if token := self._local_token.known:
            yield token
        if self.export:
            yield from self.export.secrets
        if login := self.sources.logins.known:
            yield login.access_token
            if login.account_id:
                yield login.account_id
            yield from login.unused

    def _note_unknown(self, request_line: str) -> None:
        if warning := self.unknown_paths.add(request_line):
            log.warning("%s", warning)

    def _turn_ended(self, record: TurnRecord) -> None:
        # before the log, which takes the body
        is_large = _largest_body(record) >= LARGE_BODY
        self.turn_log.note(record)
        self._last_status.note(record)
        if (local := self.sources.row_routes.local).states:
            local.turn_ended(record.row)
        if self.budgets.is_counting:
            self.budgets.note(record)
        if self.metrics.is_counting:
            self.metrics.note(record)
        if self.export and record.route:
            self.export.turn_ended(record)
        if record.route and self.dashboard.listeners:
            self.dashboard.turn_ended(record)
        self._ended += 1
        if is_large:
            self._heap.large_turn_ended()
        elif self._ended % MANY_TURNS == 0:
            self._heap.many_turns_ended()

    def _proxy_for(self, origin: Origin) -> Origin | None:
        # the system is asked for the port only if there is a proxy that could be this one
        found = self._proxies(origin)
        return proxy_for(origin, self._env, self.port) if found else None

    def _max_body_bytes(self) -> int:
        return self.sources.settings.limits.body_bytes

    def _quota(self) -> Mapping[str, list[dict[str, object]]]:
        return {
            provider: [window.plain() for window in windows.values()]
            for provider, windows in self.turn_log.quotas.items()
        }

    def _unavailable(self) -> list[dict[str, object]]:
        sources = self.sources
        open_circuits = unavailable_routes(sources.table(), time.time(), sources.fallbacks_of)
        return [*open_circuits, *sources.row_routes.down_servers(sources.rows)]

    def _status(self) -> Status:
        return Status(
            version=VERSION,
            pid=os.getpid(),
            uptime_seconds=time.monotonic() - self._started_at,
            live_turns=len(self.engine.running),
            reasons=self.sources.reasons,
            problems=(*self.sources.problems, *self.unknown_paths.problems, *self.export_problems),
            quota=self._quota(),
            unavailable=tuple(self._unavailable()),
            budgets=tuple(self.budgets.report()),
        )


def _largest_body(record: TurnRecord) -> int:
    """Return the bytes of the longest body of a turn that the log has not taken yet, about those of a compressed one."""
    sent = len(record.upstream_body) * (INFLATION if record.upstream_encoding else 1)
    return max(record.bytes_in, record.bytes_out, sent)
