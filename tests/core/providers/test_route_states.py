"""The states of circuits for people."""

from dataclasses import replace
from datetime import datetime

import pytest

from addons.core.providers.route_states import described, unavailable_routes
from addons.core.routes import Cause, Circuit, Opening, RouteTable
from tests.core.providers.fallback_turns import NOW, route


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        (Cause.LOGIN, "the login or key of a was refused"),
        (Cause.UNREACHABLE, "a cannot be reached"),
        (Cause.FAILING, "a answers with errors"),
    ],
)
def test_causes_are_described(cause: Cause, text: str) -> None:
    assert described("a", Opening(cause, NOW + 30, is_reset=False), NOW) == text


def test_reset_of_another_day_has_its_date() -> None:
    opening = Opening(Cause.USED_UP, NOW + 5 * 86_400, is_reset=True)
    when = datetime.fromtimestamp(NOW + 5 * 86_400).astimezone()
    assert described("a", opening, NOW) == f"a is used up until {when:%d %b %H:%M}"


def test_routes_that_a_fallback_answers_are_listed_once_per_circuit() -> None:
    shared = Circuit()
    routes = [replace(route(name), circuit=shared) for name in ("a", "b")] + [route("c")]
    table = RouteTable.of(routes)
    assert unavailable_routes(table, NOW) == []
    shared.failed(Cause.USED_UP, NOW, NOW + 60)
    (found,) = unavailable_routes(table, NOW)
    assert (found["slugs"], found["state"], found["cause"]) == (["a", "b"], "open", "used_up")
    assert found["until"] == NOW + 60
    assert str(found["text"]).startswith("a (and 1 more) is used up until ")


def test_unavailable_route_names_who_answers_meanwhile() -> None:
    first, second, third = (replace(route(name), circuit=Circuit()) for name in ("a", "b", "c"))
    table = RouteTable.of([first, second, third])
    fallbacks = {"a": ["gone", "b", "c"]}

    def text(now: float) -> str:
        return str(unavailable_routes(table, now, lambda slug: fallbacks.get(slug, ()))[0]["text"])

    first.circuit.failed(Cause.USED_UP, NOW, NOW + 60)
    assert text(NOW).endswith("; b answers")
    second.circuit.failed(Cause.USED_UP, NOW, NOW + 60)
    assert text(NOW).endswith("; c answers")
    third.circuit.failed(Cause.USED_UP, NOW, NOW + 60)
    assert text(NOW) == described("a", Opening(Cause.USED_UP, NOW + 60, is_reset=True), NOW)
    assert text(NOW + 61).endswith("; the next turn tries it again")
