"""The stream of a turn whose answer passes through users' hooks on its way to the client.

The translator of such an answer gives its bytes not at once, but in injected messages of its stage. So the upstream may have
ended while events still wait for the hooks, and the turn ends behind the last of them. Never does: call a hook. Invariant: a
kill, a shutdown or a client that has left ends the turn at once, whatever waits; a fault of the upstream ends it behind what
came before.
"""

from __future__ import annotations

from collections.abc import Iterable

from mitmproxy.proxy import commands
from mitmproxy.proxy.layer import CommandGenerator

from addons.adapters.hooks.stage import StagedTranslator
from addons.core.hooks.plan import HookedPlan
from addons.core.turn import Fault, FaultKind, Relay, StreamLocal
from addons.proxy.engine.ending import Stage
from addons.proxy.engine.injected import Injected, Signal
from addons.proxy.engine.local_source import SourcePump
from addons.proxy.engine.request_side import nothing
from addons.proxy.engine.states import UpstreamState
from addons.proxy.engine.stream import TurnStream

AT_ONCE = frozenset({FaultKind.UNREAD, FaultKind.KILLED, FaultKind.SHUTDOWN, FaultKind.INTERNAL})
"""Faults that are none of the upstream's. What waits for the hooks is dropped then."""


class HookedStream(TurnStream):
    """The stream of one turn, in a process with hooks."""

    _stage: StagedTranslator | None = None
    _stage_pump: SourcePump | None = None
    _late_fault: Fault | None = None
    """What ends the turn behind what waits for the hooks."""

    # Steps ------------------------------------------------------------------------------------------------

    def follow_plan(self) -> CommandGenerator[None]:
        """Ask for a plan, and let no hook see a secret that an upstream repeats."""
        steps = super().follow_plan()
        plan = self.__dict__.get("plan")
        if isinstance(plan, HookedPlan):
            plan.mask = self._masked_for_hooks
        return steps

    def _masked_for_hooks(self, data: bytes) -> bytes:
        return self.response_side.mask.current.data(data)

    def _relay(self, step: Relay) -> CommandGenerator[None]:
        self._stage = _stage_of(step)
        yield from super()._relay(step)
        self._begin_stage()

    def _stream_local(self, step: StreamLocal) -> CommandGenerator[None]:
        self._stage = _stage_of(step)
        yield from super()._stream_local(step)
        self._begin_stage()

    def _begin_stage(self) -> None:
        if self._stage and not self.state.is_ending:
            self._stage_pump = self._engine.local_source(self)
            self._stage_pump.start(self._stage.run, Signal.REWRITTEN, Signal.ALL_REWRITTEN)

    # Events -----------------------------------------------------------------------------------------------

    def _on_injected(self, message: Injected) -> CommandGenerator[None]:
        if message.signal is Signal.REWRITTEN:
            return self._pass_on(message.data)
        if message.signal is Signal.ALL_REWRITTEN:
            return self._all_passed_on()
        return super()._on_injected(message)

    def _pass_on(self, data: bytes) -> CommandGenerator[None]:
        """Write what the hooks have left of some events."""
        stage, side = self._stage, self.response_side
        if stage is None or self.state.is_ending:
            return
        stage.note_sent(len(data))
        written = side.masked(data)
        side.note_sent(written)
        yield from side.send_body(written)
        if not stage.terminal:
            return
        if stage.refused or self.state.upstream is UpstreamState.LOCAL:
            yield from super().finish()
        elif self.state.upstream is UpstreamState.RELAYING:
            yield from self.await_end()

    def _all_passed_on(self) -> CommandGenerator[None]:
        """End the turn, unless its upstream has a moment left to end its body."""
        if self.state.is_ending:
            return
        if fault := self._late_fault:
            yield from super().fail(fault)
        elif self.state.upstream is not UpstreamState.RELAYING:
            yield from super().finish()

    # Ends -------------------------------------------------------------------------------------------------

    def finish(self) -> CommandGenerator[None]:
        """End a streamed answer whose source is done, behind what waits for the hooks."""
        stage = self._stage
        if stage is None or stage.terminal or self.state.is_ending:
            return super().finish()
        stage.close()
        return nothing()

    def fail(self, fault: Fault) -> CommandGenerator[None]:
        """End the turn: at once, or behind what waits for the hooks if the upstream has failed."""
        stage = self._stage
        is_over = stage is None or stage.is_closed or stage.terminal or self.state.is_ending
        if stage is None or is_over or fault.kind in AT_ONCE:
            return super().fail(fault)
        if not stage.is_inner_terminal:
            self._late_fault = fault
        stage.close(fault)
        return nothing()

    def _begin_end(self, write: Stage, hook: commands.StartHook) -> None:
        if pump := self._stage_pump:
            self._stage_pump = None
            pump.cancel()
        super()._begin_end(write, hook)

    def leave(self) -> Iterable[commands.Command]:
        """Unregister this turn and release what it was made of."""
        self._stage = None
        return super().leave()


def _stage_of(step: Relay | StreamLocal) -> StagedTranslator | None:
    return step.translator if isinstance(step.translator, StagedTranslator) else None
