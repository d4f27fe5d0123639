"""The retries that the turns of one route make at the same time: a limit, so that they do not multiply the load on an upstream.

A turn that may not retry reports what its upstream said, or its fallback answers. Never reads a clock. Invariant: a turn
that has ended counts neither as running nor as retrying. Source: the retry budget of Envoy 1.39 (`budget_percent`,
`min_retry_concurrency`), 2026-11.
"""

from __future__ import annotations

SHARE = 0.2
"""Of the turns that run, how many may retry at the same time."""
MIN_CONCURRENCY = 3
"""How many may, however few run. Share and minimum are those of Envoy."""


class RouteRetries:
    """One per route: how many turns run, and how many of them wait for a retry or for its outcome."""

    __slots__ = ("retrying", "running")

    def __init__(self) -> None:
        self.running = 0
        self.retrying = 0

    @property
    def may_retry(self) -> bool:
        """Whether one more turn may retry now."""
        return self.retrying < max(MIN_CONCURRENCY, SHARE * self.running)


class TurnRetries:
    """The part of one turn."""

    __slots__ = ("_is_retrying", "_is_running", "_route")

    def __init__(self, route: RouteRetries) -> None:
        self._route = route
        self._is_running = self._is_retrying = False

    def begin(self) -> None:
        """Count the turn as running."""
        if not self._is_running:
            self._is_running = True
            self._route.running += 1

    def retry(self) -> bool:
        """Return whether the turn may retry, and count it. The outcome of its last retry is known."""
        self.settle()
        if self._route.may_retry:
            self._is_retrying = True
            self._route.retrying += 1
        return self._is_retrying

    def settle(self) -> None:
        """Stop counting the retry: its outcome is known."""
        if self._is_retrying:
            self._is_retrying = False
            self._route.retrying -= 1

    def end(self) -> None:
        """Stop counting the turn."""
        self.settle()
        if self._is_running:
            self._is_running = False
            self._route.running -= 1
