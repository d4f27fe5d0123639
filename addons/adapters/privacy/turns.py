"""The plans of requests that pass the privacy gate: turns, and what Codex sends to other endpoints of the backend.

The gate is the last to see a request and the first to see its answer, so users' hooks see the values and no upstream does.
Never does: send a request that the gate could not read. Invariant: while the gate is on, each request with text passes it,
unless every route that may answer is one that the user has exempted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from threading import Lock, RLock

from addons.adapters.privacy.key import ensure_key
from addons.adapters.system.files import FileAccessError
from addons.core.hooks.chain import HookError
from addons.core.hooks.events import Mask, Piece
from addons.core.hooks.frozen_json import JsonMap, plain
from addons.core.hooks.plan import HookedPlan, Rewrites
from addons.core.hooks.values import End, Event
from addons.core.limits import KIB, Limits
from addons.core.privacy.gate import BROKEN_SETTINGS, Gate, GatedTurn, no_key, shown_counts
from addons.core.privacy.memory import GateMemory
from addons.core.privacy.request import TextWalk
from addons.core.privacy.stream import RestoringTranslator
from addons.core.settings.privacy import Privacy
from addons.core.turn import ClientRequest, Plan, Translator

log = logging.getLogger(__name__)

LARGE_BODY = 32 * KIB
"""A request of this size is searched in a thread."""
MakePlan = Callable[[ClientRequest], Plan]


class GatedRequests:
    """Makes the plans of requests that pass the gate."""

    def __init__(
        self,
        env: Mapping[str, str],
        settings: Callable[[], Privacy],
        limits: Callable[[], Limits],
        is_exempt: Callable[[ClientRequest], bool],
    ) -> None:
        """`is_exempt` returns whether the user lets a turn pass as it is."""
        self._env = env
        self._settings = settings
        self._limits = limits
        self._is_exempt = is_exempt
        self._memory = GateMemory(RLock())
        self._lock = Lock()
        """Held while the gate is made, and never while a request is masked."""
        self._gate: tuple[Privacy, Gate] | None = None

    def plan_turn(self, request: ClientRequest, make_plan: MakePlan) -> Plan:
        """Return the plan of a turn. `make_plan` makes that of its route."""
        return make_plan(request) if self._is_exempt(request) else self.plan(request, make_plan)

    def plan(self, request: ClientRequest, make_plan: MakePlan) -> Plan:
        """Return the plan of any request to an upstream."""
        limits = self._limits()
        return HookedPlan(request, GateRunner(self, limits), make_plan, limits.body_bytes)

    def mask(self, request: ClientRequest, max_bytes: int) -> GatedTurn:
        """Return a request without private values. Raises HookError."""
        with self._lock:
            gate = self._current()
        return gate.mask(request, max_bytes)

    def _current(self) -> Gate:
        settings = self._settings()
        if settings.is_broken:
            raise HookError(BROKEN_SETTINGS)
        if self._gate is None or self._gate[0] is not settings:
            try:
                key = ensure_key(self._env)
            except FileAccessError as error:
                raise HookError(no_key(str(error))) from None
            # other settings find other values: what was remembered is of no use any more
            self._memory.forget_steps()
            self._gate = settings, Gate(key, settings, self._memory, self._lock)
        return self._gate[1]


class GateRunner:
    """The gate in the way of one request and its answer."""

    is_refused = False
    sees_events = True

    def __init__(self, gated: GatedRequests, limits: Limits) -> None:
        self._gated = gated
        self._limits = limits
        self._turn: GatedTurn | None = None
        self.notes: Sequence[str] = ()
        """What other hooks have noted, and how many values were replaced."""

    def needs_thread(self, request: ClientRequest) -> bool:
        """Return whether the search may take long."""
        return len(request.body) > LARGE_BODY

    async def begin(self, request: ClientRequest) -> ClientRequest:
        """Return the request that goes on, masked in a thread. Raises HookError."""
        return await asyncio.to_thread(self.begin_now, request)

    def begin_now(self, request: ClientRequest) -> ClientRequest:
        """Return the request that goes on. Raises HookError."""
        self.notes = request.notes.hooks
        self._turn = turn = self._gated.mask(request, self._limits.body_bytes)
        if turn.counts:
            self.notes = [*self.notes, f"privacy gate: {shown_counts(turn.counts)} replaced"]
        return turn.request

    def around(self, translator: Translator, mask: Mask) -> Rewrites:  # noqa: ARG002  it shows nobody the answer
        """Return a translator whose events have the values again."""
        turn = self._begun
        return RestoringTranslator(
            translator, turn.restorer, self._limits.event_bytes, turn.on_created
        )

    async def on_pieces(self, pieces: Sequence[Piece]) -> Sequence[Piece]:
        """Return a whole answer with the values."""
        restorer = self._begun.restorer
        walk = TextWalk(restorer.text, restorer.json_text)
        return [one if isinstance(one, bytes) else _restored(one, walk) for one in pieces]

    def end(self, _end: End) -> None:
        """Say how much could not be put back."""
        if self._turn and (unknown := self._turn.restorer.unknown):
            log.warning(
                "An answer has %d placeholders whose values are not known here any more. They stand in it as they are; "
                "docs/privacy.md says when this happens.",
                unknown,
            )

    @property
    def _begun(self) -> GatedTurn:
        assert self._turn  # noqa: S101  an answer comes after its request
        return self._turn


def _restored(event: Event, walk: TextWalk) -> Event:
    data = plain(event.data)
    changed = walk.member("", data)
    return (
        Event(event.type, JsonMap(changed))
        if isinstance(changed, dict) and changed is not data
        else event
    )
