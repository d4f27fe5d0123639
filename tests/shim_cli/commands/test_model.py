"""Find the model that the user names, and the default one."""

from __future__ import annotations

from pathlib import Path

import pytest

from addons.core.routes import Route, RouteTable
from addons.core.turn import ClientRequest, Plan
from shim_cli.commands.model import default_choice, default_slug, find_route
from shim_cli.console.errors import CliError


def no_plan(request: ClientRequest, route: Route) -> Plan:
    raise AssertionError(request, route)


def route(slug: str, name: str, visibility: str = "list", reason: str = "") -> Route:
    return Route(slug, name, "p", f"m/{slug}", {"visibility": visibility}, no_plan, reason)


@pytest.fixture
def table() -> RouteTable:
    return RouteTable.of(
        [
            route("helper", "Helper", "hide"),
            route("one", "First One"),
            route("two", "Second One"),
            route("off", "Third", reason="no key"),
        ],
        {"quick": "two"},
    )


@pytest.mark.parametrize(
    ("name", "slug"), [("one", "one"), ("quick", "two"), ("SECOND", "two"), ("off", "off")]
)
def test_route_is_found_by_slug_alias_or_part_of_its_name(
    table: RouteTable, name: str, slug: str
) -> None:
    assert find_route(table, name).slug == slug


@pytest.mark.parametrize(
    ("name", "message", "advice"),
    [
        ("nope", "there is no model 'nope'", "codex-shim list"),
        ("One", "'One' matches several models: one, two", "codex-shim model use one"),
        ("third", "there is no model 'third'", "codex-shim list"),
    ],
)
def test_unknown_or_ambiguous_name_is_an_error(
    table: RouteTable, name: str, message: str, advice: str
) -> None:
    with pytest.raises(CliError) as caught:
        find_route(table, name)
    assert caught.value.message == message
    assert advice in caught.value.advice


@pytest.mark.parametrize(
    ("config", "slug"),
    [("", "one"), ('model = "two"', "two"), ('model = "off"', "one"), ('model = "o3"', "one")],
)
def test_current_model_is_kept_if_it_is_live(
    table: RouteTable, tmp_path: Path, config: str, slug: str
) -> None:
    (tmp_path / "config.toml").write_text(config)
    assert default_slug({"CODEX_HOME": str(tmp_path)}, table) == slug


def test_invalid_config_is_an_error(table: RouteTable, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xff")
    with pytest.raises(CliError, match="UTF-8"):
        default_slug({"CODEX_HOME": str(tmp_path)}, table)


def prioritized(slug: str, provider: str, priority: int, visibility: str = "list") -> Route:
    entry = {"visibility": visibility, "priority": priority}
    return Route(slug, slug, provider, slug, entry, no_plan)


def test_default_follows_the_order_of_codex_and_is_never_cursor(tmp_path: Path) -> None:
    env = {"CODEX_HOME": str(tmp_path)}
    cursor = prioritized("composer", "cursor", 0)
    others = [prioritized("late", "p", 9), prioritized("hid", "p", 1, "hide"), prioritized("first", "p", 2)]  # fmt: skip

    choice = default_choice(env, RouteTable.of([cursor, *others]))
    assert choice.slug == "first"
    assert choice.reason == "the first one of Codex's list, because config.toml named no model"
    with pytest.raises(
        CliError, match="only Cursor's models are available, and they are never chosen"
    ) as caught:
        default_choice(env, RouteTable.of([cursor]))
    assert caught.value.advice == "Name one: codex-shim enable --model composer"


def test_cursor_stays_the_model_of_who_chose_it(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('model = "composer"')
    routes = [prioritized("first", "p", 1), prioritized("composer", "cursor", 2)]

    choice = default_choice({"CODEX_HOME": str(tmp_path)}, RouteTable.of(routes))

    assert (choice.slug, choice.reason) == ("composer", "")


@pytest.mark.parametrize(
    ("model", "reason"),
    [("off", "instead of off: no key"), ("o3", "instead of o3: codex-shim has no such model")],
)
def test_replaced_model_is_named_with_the_reason(
    table: RouteTable, tmp_path: Path, model: str, reason: str
) -> None:
    (tmp_path / "config.toml").write_text(f'model = "{model}"')

    choice = default_choice({"CODEX_HOME": str(tmp_path)}, table)

    assert choice.reason == reason
