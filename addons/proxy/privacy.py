"""The privacy gate in the way of this process's requests.

Imported for the first request after the gate is switched on. Invariant: what the gate is asked for goes through it; only
`Composition` decides whether it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from addons.adapters.privacy.exempt import is_exempt
from addons.adapters.privacy.turns import GatedRequests
from addons.adapters.route_sources import RouteSources
from addons.core.settings.privacy import in_force


def gated_requests(
    env: Mapping[str, str], sources: Callable[[], RouteSources], is_always_on: Callable[[], bool]
) -> GatedRequests:
    """Return the gate of a process."""
    return GatedRequests(
        env,
        lambda: in_force(sources().settings.privacy, always=is_always_on()),
        lambda: sources().settings.limits,
        lambda request: is_exempt(request, sources(), sources().settings.limits.body_bytes),
    )
