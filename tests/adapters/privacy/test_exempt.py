"""A turn is exempt only if every model that may answer it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from addons.adapters.privacy.exempt import is_exempt
from addons.core.routes import Route, RouteTable
from addons.core.settings.models_file import ModelRows
from addons.core.settings.row import ModelRow
from addons.core.turn import ClientRequest, Plan

ROWS = {"local": False, "both": False, "mixed": False, "cloud": True, "down": False, "taken": False}
FALLBACKS = {"both": ("local",), "mixed": ("both", "cloud"), "local": ("both",)}


def _no_plan(*_: object) -> Plan:
    raise AssertionError


@dataclass
class Sources:
    fallbacks: Mapping[str, Sequence[str]] = field(default_factory=lambda: FALLBACKS)

    @property
    def rows(self) -> ModelRows:
        return ModelRows(
            tuple(
                ModelRow(slug, slug, "p", slug, privacy=on, unavailable_reason="-")
                for slug, on in ROWS.items()
            )
        )

    def table_for(self, _slug: str, /) -> RouteTable:
        routes = {
            name: Route(name, name, "p", name, {}, _no_plan, "it is down" if name == "down" else "")
            for name in (*ROWS, "gpt")
        }
        return RouteTable(routes, {"mine": "local"})

    def fallbacks_of(self, slug: str) -> Sequence[str]:
        return self.fallbacks.get(slug, ())

    def is_row(self, route: Route) -> bool:
        return route.slug != "taken"


def _is_exempt(slug: str, *headers: tuple[bytes, bytes]) -> bool:
    request = ClientRequest("POST", "/v1/responses", headers, orjson.dumps({"model": slug}))
    return is_exempt(request, Sources(), 1000)


def test_only_live_exempt_rows_with_exempt_fallbacks_are() -> None:
    slugs = ("local", "mine", "both", "mixed", "cloud", "down", "taken", "gpt", "unknown")
    assert [slug for slug in slugs if _is_exempt(slug)] == ["local", "mine", "both"]


def test_sub_agents_are_and_helper_calls_are_not() -> None:
    assert _is_exempt("local", (b"x-openai-subagent", b"collab_spawn"))
    assert not _is_exempt("local", (b"x-openai-subagent", b"memory_consolidation"))


def test_a_request_without_a_model_is_not() -> None:
    request = ClientRequest("POST", "/v1/responses", (), b"not json")
    assert not is_exempt(request, Sources(), 1000)
