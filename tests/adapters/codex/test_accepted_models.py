"""Entries that the installed Codex rejects are hidden, so that it starts with the others."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.adapters.codex.accepted_models import AcceptedModels, filter_accepted
from addons.adapters.codex.cli import CodexCli, CodexCliError
from addons.core.codex.catalog import Entry
from addons.core.providers.demo import demo_entry
from addons.core.routes import Route, RouteTable
from addons.core.turn import ClientRequest, Plan


def no_plan(request: ClientRequest, route: Route) -> Plan:
    raise AssertionError(request, route)


def table(*slugs: str) -> RouteTable:
    entries = [
        {**demo_entry(), "slug": slug, "description": "ü" * at} for at, slug in enumerate(slugs)
    ]
    return RouteTable.of(
        [Route(str(e["slug"]), "N", "p", "m", e, no_plan) for e in entries]
        + [Route("off", "Off", "p", "m", {}, no_plan, "no key")]
    )


class OldCodex(CodexCli):
    """Rejects the first bad entry with a column, as serde does."""

    bad: frozenset[str] = frozenset()
    end: bool = False
    installed: str = "0.133.0"

    def version(self) -> str:
        if not self.installed:
            msg = "it printed no version"
            raise CodexCliError(msg)
        return self.installed

    def catalog_error(self, catalog: bytes) -> str:
        for entry in orjson.loads(catalog)["models"]:
            if entry["slug"] in self.bad:
                text = orjson.dumps(entry)
                column = catalog.index(text) + (
                    len(text) if self.end else text.index(b'"slug"') + 5
                )
                return f"failed to parse model_catalog_json as JSON: unknown variant `max` at line 1 column {column}"
        return ""


def old_codex(*bad: str, end: bool = False) -> CodexCli:
    kind = type("Kind", (OldCodex,), {"bad": frozenset(bad), "end": end})
    made: CodexCli = kind("codex", {})
    return made


def entry_for(version: str) -> Entry:
    levels = [{"effort": "max" if version > "0.138" else "xhigh", "description": ""}]
    return {**demo_entry(), "slug": "m", "supported_reasoning_levels": levels}


ROW = RouteTable.of(
    [Route("m", "M", "p", "m", entry_for("0.171.0"), no_plan, make_entry=entry_for)]
)


def levels(catalog: bytes) -> list[str]:
    [entry] = orjson.loads(catalog)["models"]
    return [level["effort"] for level in entry["supported_reasoning_levels"]]


@pytest.mark.parametrize(
    ("installed", "level"), [("0.133.0", "xhigh"), ("0.171.0", "max"), ("", "xhigh")]
)
def test_entries_are_made_for_the_installed_version(
    monkeypatch: pytest.MonkeyPatch, installed: str, level: str
) -> None:
    monkeypatch.setattr(OldCodex, "installed", installed)
    accepted = filter_accepted(old_codex(), ROW)
    assert (levels(accepted.catalog), accepted.client_version) == ([level], installed)
    assert orjson.loads(accepted.catalog).get("client_version", "") == installed
    assert [route.entry for route in accepted.table.live] == [entry_for(installed)]


def test_without_codex_entries_are_made_for_the_oldest_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accepted = filter_accepted(None, ROW)
    assert (levels(accepted.catalog), accepted.problems) == (["xhigh"], ())
    assert "client_version" not in orjson.loads(accepted.catalog)

    def broken(*_: object) -> str:
        msg = "it crashed"
        raise CodexCliError(msg)

    monkeypatch.setattr(OldCodex, "installed", "0.171.0")
    monkeypatch.setattr(OldCodex, "catalog_error", broken)
    assert filter_accepted(old_codex(), ROW).catalog == accepted.catalog


@given(
    st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=8, unique=True),
    st.sets(st.sampled_from("abcdefgh")),
    st.booleans(),
)
def test_exactly_the_rejected_entries_are_hidden(
    slugs: list[str], bad: set[str], end: bool
) -> None:
    accepted = filter_accepted(old_codex(*bad, end=end), table(*slugs))
    if set(slugs) <= bad:
        assert accepted.problems
        return
    assert [route.slug for route in accepted.table.live] == [
        slug for slug in slugs if slug not in bad
    ]
    assert set(accepted.refused) == bad & set(slugs)
    assert (accepted.problems, accepted.fallback_reason) == ((), "")
    assert [entry["slug"] for entry in orjson.loads(accepted.catalog)["models"]] == [
        slug for slug in slugs if slug not in bad
    ]


def test_hidden_route_has_the_reason_and_the_command() -> None:
    route = filter_accepted(old_codex("b"), table("a", "b")).table.routes["b"]
    assert "unknown variant `max`)" in route.unavailable_reason
    assert "npm install -g @openai/codex" in route.unavailable_reason


def test_error_without_a_position_rejects_the_catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OldCodex, "catalog_error", lambda *_: "must contain at least one model")
    accepted = filter_accepted(old_codex(), table("a", "b"))
    assert accepted.problems == ("must contain at least one model",)
    assert accepted.refused == {}


def test_own_rules_apply_when_codex_cannot_check(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> str:
        msg = "it crashed"
        raise CodexCliError(msg)

    monkeypatch.setattr(OldCodex, "catalog_error", broken)
    accepted = filter_accepted(old_codex(), table("a"))
    assert (accepted.problems, accepted.fallback_reason) == (
        (),
        "Checked with codex-shim's own rules: it crashed.",
    )
    no_codex = filter_accepted(
        None, RouteTable.of([Route("a", "A", "p", "m", {"slug": "a"}, no_plan)])
    )
    assert no_codex.problems
    assert no_codex.fallback_reason.startswith("No Codex is installed")
    assert AcceptedModels(table("a")).catalog == accepted.catalog
