"""The wait of one turn for a model server on this machine that starts, or that loads its model.

Ollama and LM Studio hold the request until the model is loaded, llama.cpp and SGLang answer 503 meanwhile, and vLLM listens
only afterwards. So for such a server a 503 and a refused connection mean that the same request succeeds later, and neither
costs anything. Never waits for a server that was seen not to listen for longer than the bound: it is not starting. Source of
the 503: llama.cpp's server ("Loading model", `unavailable_error`), 2026-11.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from addons.core.errors import INVALID_PROMPT, Problem
from addons.core.turn import Fault, FaultKind, Head
from addons.core.upstream.local.lists import KINDS
from addons.core.upstream.local.state import LocalServer, where

FIRST_PAUSE, MAX_PAUSE = 0.5, 2.0


@dataclass(frozen=True, slots=True)
class LoadBound:
    """How long the turns of one row wait."""

    server: LocalServer
    seconds: float
    """The setting `load_seconds`."""
    starts_until: float | None = None
    """Until when a server that does not listen may still be starting, in Unix seconds; None if it was not seen down."""
    waits_for_start: bool = True
    """Whether turns wait for a server that does not listen. Another route may answer in its place."""


class LoadWait:
    """The pauses of one turn."""

    __slots__ = ("_bound", "_pause", "_until", "_waited", "is_over")

    def __init__(self, bound: LoadBound) -> None:
        self._bound = bound
        self._pause = FIRST_PAUSE
        self._until: float | None = None
        self._waited = 0.0
        """The sum of the pauses: the bound holds although the clock is set back."""
        self.is_over = False
        """Whether the turn has waited as long as it may."""

    def after_status(self, head: Head, now: float) -> float | None:
        """Return the pause before the next try; None for a status that waiting does not change."""
        if head.status != HTTPStatus.SERVICE_UNAVAILABLE:
            return None
        return self._next(now, None)

    def after_fault(self, fault: Fault, now: float) -> float | None:
        """Return the pause before the next try, if the server may be starting."""
        if fault.kind is not FaultKind.CONNECT or not self._bound.waits_for_start:
            return None
        return self._next(now, self._bound.starts_until)

    def _next(self, now: float, until: float | None) -> float | None:
        self._until = now + self._bound.seconds if self._until is None else self._until
        own = min(self._until - now, self._bound.seconds - self._waited)
        left = own if until is None else min(own, until - now)
        if left <= 0.0:
            self.is_over = own <= 0.0
            return None
        pause, self._pause = min(self._pause, left), min(self._pause * 2, MAX_PAUSE)
        self._waited += pause
        return pause

    def problem(self) -> Problem:
        """Return the error of a server that is still loading at the end of the wait."""
        bound = self._bound
        return Problem(
            503,
            INVALID_PROMPT,
            f"{where(bound.server)} was still loading its model after {bound.seconds:g} s. Send the turn again when it is "
            "ready, or raise `load_seconds` under `limits` in models.json.",
            "overloaded_error",
        )

    def fault_problem(self, fault: Fault) -> Problem | None:
        """Return the error of a server that does not listen; None for another fault. Codex must not retry it: we did."""
        if fault.kind is not FaultKind.CONNECT:
            return None
        bound = self._bound
        waited = f" The turn waited {bound.seconds:g} s for it." if self.is_over else ""
        return Problem(
            502,
            INVALID_PROMPT,
            f"{where(bound.server)} does not answer: {fault.detail}.{waited} "
            f"Start it: {KINDS[bound.server.kind].start}",
            "upstream_unreachable",
        )
