"""The circuits of routes for people: which routes are not asked now, why, until when, and who answers meanwhile.

Never changes a circuit. Invariant: routes that share a circuit are one line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from addons.core.routes import Cause, Opening, Route, RouteTable, State

DAY_SECONDS = 86_400.0


def unavailable_routes(
    table: RouteTable, now: float, fallbacks_of: Callable[[str], Sequence[str]] = lambda _: ()
) -> list[dict[str, object]]:
    """Return what is known of each circuit that is not closed: its routes, state, cause, end, and a text for the user.

    `fallbacks_of` returns the slugs of the fallbacks of a slug.
    """
    shared: dict[int, list[Route]] = {}
    for route in table.routes.values():
        if route.circuit.opening is not None:
            shared.setdefault(id(route.circuit), []).append(route)
    found = []
    for routes in shared.values():
        first, circuit = routes[0], routes[0].circuit
        if opening := circuit.opening:
            state = circuit.state(now)
            more = f" (and {len(routes) - 1} more)" if len(routes) > 1 else ""
            who = _who_answers(table, fallbacks_of(first.slug), state, now)
            found.append(
                {
                    "slugs": [route.slug for route in routes],
                    "state": str(state),
                    "cause": str(opening.cause),
                    "until": opening.until,
                    "text": described(first.slug + more, opening, now) + who,
                }
            )
    return found


def _who_answers(table: RouteTable, slugs: Sequence[str], state: State, now: float) -> str:
    """Return who answers meanwhile: `; deepseek-chat answers`; empty if nobody does."""
    if state is State.HALF_OPEN:
        return "; the next turn tries it again"
    for slug in slugs:
        route = table.resolve(slug)
        if route and route.live and route.circuit.state(now) is not State.OPEN:
            return f"; {route.slug} answers"
    return ""


def described(slug: str, opening: Opening, now: float) -> str:
    """Return why a circuit is open, for the user: `gpt-5.5 is used up until 14:20`."""
    until = f" until {local_time(opening.until, now)}" if opening.is_reset else ""
    match opening.cause:
        case Cause.USED_UP:
            return f"{slug} is used up{until}"
        case Cause.LOGIN:
            return f"the login or key of {slug} was refused"
        case Cause.UNREACHABLE:
            return f"{slug} cannot be reached"
        case Cause.FAILING:
            return f"{slug} answers with errors"


def local_time(moment: float, now: float) -> str:
    """Return a time of day of this machine, with the date if it is more than a day away."""
    form = "%H:%M" if moment - now < DAY_SECONDS else "%d %b %H:%M"
    return datetime.fromtimestamp(moment).astimezone().strftime(form)
