"""The hooks of this process, and the plans of the turns that they see.

Hooks run in a thread of the turn (`worker.py`). Never does: import a user's file (`loader.py` does). Invariant: a turn keeps the hooks that it began with.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait

from addons.adapters.hooks.stage import StagedTranslator
from addons.adapters.hooks.worker import SECONDS, HookLoop, HookWorker
from addons.core.errors import Problem
from addons.core.hooks.chain import ON_END, Hook, HookError, TurnHooks, checked
from addons.core.hooks.events import Mask, Piece
from addons.core.hooks.plan import HookedPlan, Rewrites
from addons.core.hooks.values import End
from addons.core.limits import Limits
from addons.core.telemetry.record import TurnRecord
from addons.core.turn import ClientRequest, Plan, Translator

log = logging.getLogger(__name__)


class EndReports:
    """The calls of on_end that have not returned."""

    def __init__(self) -> None:
        self._running: set[Future[object]] = set()

    def add(self, report: Future[object]) -> None:
        """Note a call until it returns."""
        self._running.add(report)
        report.add_done_callback(self._running.discard)

    def wait(self) -> None:
        """Wait for all of them, for as long as one may take. Blocks."""
        wait(list(self._running), SECONDS[ON_END])


class HookedTurns:
    """Makes the plans of turns with hooks."""

    def __init__(self, hooks: Sequence[Hook], limits: Callable[[], Limits]) -> None:
        """`hooks`: in the order in which requests pass them."""
        self._hooks = tuple(hooks)
        self._limits = limits
        self._loop = HookLoop()
        self._reports = EndReports()

    def plan(self, request: ClientRequest, make_plan: Callable[[ClientRequest], Plan]) -> Plan:
        """Return the plan of a turn. `make_plan` makes that of its route."""
        limits = self._limits()
        runner = TurnRunner(self._hooks, limits, HookWorker(self._loop), self._reports)
        return HookedPlan(request, runner, make_plan, limits.body_bytes)

    def close(self) -> None:
        """Wait for the last calls of on_end, for as long as one may take. Blocks."""
        self._reports.wait()


class TurnRunner:
    """Runs the hooks of one turn."""

    def __init__(
        self, hooks: Sequence[Hook], limits: Limits, worker: HookWorker, reports: EndReports
    ) -> None:
        self._reports = reports
        self._limits = limits
        self._worker = worker
        self._chain = TurnHooks(hooks, worker.call)
        self.sees_events = any(one.on_event for one in hooks)
        """Whether a hook wants to see the answer."""
        self._has_end = any(one.on_end for one in hooks)

    # The request ------------------------------------------------------------------------------------------

    def needs_thread(self, _request: ClientRequest) -> bool:
        """Return whether the hooks see a request in the thread: whatever a user wrote may be slow."""
        return True

    def begin_now(self, request: ClientRequest) -> ClientRequest:
        """Return the request that goes on, from hooks that are not slow. Raises HookError."""
        notes = request.notes
        flow_id = notes.id if isinstance(notes, TurnRecord) else ""
        return self._chain.begin(request, self._limits.body_bytes, flow_id)

    async def begin(self, request: ClientRequest) -> ClientRequest:
        """Return the request that goes on. Raises HookError."""
        return await self._worker.run(lambda: self.begin_now(request))

    @property
    def notes(self) -> Sequence[str]:
        """Which hook changed which fields."""
        return self._chain.notes

    @property
    def is_refused(self) -> bool:
        """Whether a hook has refused the turn."""
        return self._chain.is_refused

    # The answer -------------------------------------------------------------------------------------------

    def around(self, translator: Translator, mask: Mask) -> Rewrites:
        """Return a translator whose events pass through the hooks."""
        return StagedTranslator(translator, self._pass_on, self._limits.event_bytes, mask)

    async def on_pieces(self, pieces: Sequence[Piece]) -> Sequence[Piece]:
        """Return what the hooks make of a whole answer. Raises HookError."""
        passed: list[Piece] = []
        if problem := await self._pass_on(pieces, passed):
            raise HookError(problem)
        return passed

    async def _pass_on(self, pieces: Sequence[Piece], passed: list[Piece]) -> Problem | None:
        """Append what the hooks make of events. Return why the answer ends there, or None."""

        def job() -> None:
            for piece in pieces:
                new = self._chain.on_piece(piece)
                checked(new)
                passed.extend(new)

        try:
            await self._worker.run(job)
        except HookError as error:
            return error.problem
        return None

    # The end ----------------------------------------------------------------------------------------------

    def end(self, end: End) -> None:
        """Tell the hooks how the turn has ended, and let the thread end."""
        hung = self._worker.hung
        if hung:
            self._worker = HookWorker(self._worker.loop)
        if self._has_end:
            self._reports.add(self._worker.end_with(lambda: self._report(end, hung)))
        else:
            self._worker.stop()

    def _report(self, end: End, hung: Hook | None) -> None:
        for problem in self._chain.end(end, without=hung):
            log.warning("%s", problem.message)
