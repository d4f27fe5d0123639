"""The paths that Codex called and nothing here serves. A newer Codex has endpoints that this version does not know.

Never does: keep a query or the body of a request. Invariant: each path is kept once, at most `MAX_PATHS` of them.
"""

from __future__ import annotations

from addons.core.turn import printable

MAX_PATHS = 20


class UnknownPaths:
    """Remembers each unknown path since the start of the process."""

    def __init__(self) -> None:
        self._known: dict[str, None] = {}

    def add(self, request_line: str) -> str:
        """Remember method and path. Return the text of a warning, empty if there was one before or too many."""
        line = printable(request_line)
        if line in self._known or len(self._known) >= MAX_PATHS:
            return ""
        self._known[line] = None
        return _problem(line)

    @property
    def problems(self) -> tuple[str, ...]:
        """One text for each path, in the order of their first calls."""
        return tuple(map(_problem, self._known))


def _problem(line: str) -> str:
    return (
        f"Codex called {line}, which codex-shim does not know, and got a 404. "
        "Update codex-shim, or report it if this is the newest version."
    )
