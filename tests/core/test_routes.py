"""The table of routes."""

from __future__ import annotations

from dataclasses import replace

from addons.core.routes import Route, RouteTable
from addons.core.turn import ClientRequest, Plan


def no_plan(request: ClientRequest, route: Route) -> Plan:
    raise AssertionError(request, route)


def route(slug: str, provider: str = "chatgpt", unavailable: str = "") -> Route:
    return Route(slug, slug.upper(), provider, slug, {"slug": slug}, no_plan, unavailable)


def test_first_route_of_a_slug_wins_and_order_is_kept() -> None:
    first, second, third = route("b"), route("a"), route("b", "demo")
    table = RouteTable.of([first, second, third])
    assert list(table.routes) == ["b", "a"]
    assert table.resolve("b") is first


def test_alias_resolves_to_its_route_and_a_slug_wins_over_an_alias() -> None:
    a, b = route("a"), route("b")
    table = RouteTable.of([a, b], {"old": "a", "b": "a", "lost": "nowhere", "chain": "old"})
    assert table.resolve("old") is a
    assert table.resolve("b") is b
    assert table.resolve("lost") is None
    assert table.resolve("chain") is None
    assert table.resolve("") is None


def test_unavailable_route_is_resolved_and_not_live() -> None:
    unavailable, live = route("a", unavailable="because"), route("b")
    table = RouteTable.of([unavailable, live])
    assert table.live == (live,)
    assert table.resolve("a") is unavailable


def test_table_copies_the_aliases() -> None:
    aliases = {"old": "a"}
    table = RouteTable.of([route("a")], aliases)
    aliases.clear()
    assert table.resolve("old")


def test_table_for_a_client_has_the_entries_for_its_version() -> None:
    made = replace(route("b"), make_entry=lambda version: {"slug": "b", "for": version})
    table = RouteTable.of([route("a"), made, route("c", unavailable="off")], {"old": "b"})
    for_client = table.for_client("0.133.0")
    assert [one.entry for one in for_client.routes.values()] == [
        {"slug": "a"},
        {"slug": "b", "for": "0.133.0"},
        {"slug": "c"},
    ]
    assert for_client.for_client("0.171.0") == for_client, "its entries are made"
    assert for_client.resolve("old") is for_client.routes["b"]
    assert [one.slug for one in for_client.live] == ["a", "b"]
    assert made.entry == {"slug": "b"}


def test_own_alias_wins_over_a_route_that_is_hidden_or_not_live() -> None:
    mine, off, other = route("mine"), route("off", unavailable="because"), route("other")
    hidden = Route("hidden", "H", "chatgpt", "hidden", {"visibility": "hide"}, no_plan)
    own = {"off": "mine", "hidden": "mine", "other": "mine"}
    table = RouteTable.of([off, hidden, other, mine], {}, own)
    assert [table.resolve(slug) for slug in ("off", "hidden", "other")] == [mine, mine, other]


def test_own_alias_of_a_model_that_is_not_live_does_not_win() -> None:
    hidden = Route("hidden", "H", "chatgpt", "hidden", {"visibility": "hide"}, no_plan)
    off = route("off", unavailable="because")
    for named in ("off", "nowhere"):
        assert RouteTable.of([hidden, off], {}, {"hidden": named}).resolve("hidden") is hidden


def test_built_in_alias_does_not_win_over_a_route() -> None:
    off = route("off", unavailable="because")
    assert RouteTable.of([off, route("b")], {"off": "b"}).resolve("off") is off


def test_first_live_route_is_not_hidden_where_another_is_live() -> None:
    hidden = Route("hidden", "H", "chatgpt", "hidden", {"visibility": "hide"}, no_plan)
    off, live = route("off", unavailable="because"), route("live")
    assert RouteTable.of([off, hidden, live]).first_live is live
    assert RouteTable.of([off, hidden]).first_live is hidden
    assert RouteTable.of([off]).first_live is None
