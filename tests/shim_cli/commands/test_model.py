"""Find the model that the user names, and the default one."""

from __future__ import annotations

from pathlib import Path

import pytest

from addons.core.routes import Route, RouteTable
from addons.core.turn import ClientRequest, Plan
from shim_cli.commands.model import default_slug, find_route
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
