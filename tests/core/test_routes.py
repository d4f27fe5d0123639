from __future__ import annotations

from addons.core.routes import Route, RouteTable
from addons.core.turn import ClientRequest, Plan


def no_plan(request: ClientRequest, route: Route) -> Plan:
    raise AssertionError(request, route)


def route(slug: str, provider: str = "chatgpt", hidden: str = "") -> Route:
    return Route(slug, slug.upper(), provider, slug, {"slug": slug}, no_plan, hidden)


def test_the_first_route_of_a_slug_wins_and_order_is_kept() -> None:
    first, second, third = route("b"), route("a"), route("b", "demo")
    table = RouteTable.of([first, second, third])
    assert list(table.routes) == ["b", "a"]
    assert table.resolve("b") is first


def test_an_alias_leads_to_its_route_and_a_slug_is_stronger() -> None:
    a, b = route("a"), route("b")
    table = RouteTable.of([a, b], {"old": "a", "b": "a", "lost": "nowhere", "chain": "old"})
    assert table.resolve("old") is a
    assert table.resolve("b") is b
    assert table.resolve("lost") is None
    assert table.resolve("chain") is None
    assert table.resolve("") is None


def test_a_hidden_route_is_not_offered_but_known() -> None:
    hidden, live = route("a", hidden="because"), route("b")
    table = RouteTable.of([hidden, live])
    assert table.live == (live,)
    assert table.resolve("a") is hidden


def test_the_table_has_its_own_copy_of_the_aliases() -> None:
    aliases = {"old": "a"}
    table = RouteTable.of([route("a")], aliases)
    aliases.clear()
    assert table.resolve("old")
