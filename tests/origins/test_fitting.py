"""One entry that the installed Codex cannot read is left out, so that Codex starts with the others."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.providers.demo import demo_entry
from addons.core.routes import Route, RouteTable
from addons.core.turn import ClientRequest, Plan
from addons.origins.codex_cli import CodexCli, CodexCliError
from addons.origins.fitting import Fit, fit_to


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
    """Says of the first entry that it does not know where it lost track, as serde does."""

    bad: frozenset[str] = frozenset()
    end: bool = False

    def refusal_of(self, catalog: bytes) -> str:
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


@given(
    st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=8, unique=True),
    st.sets(st.sampled_from("abcdefgh")),
    st.booleans(),
)
def test_exactly_the_entries_that_it_refuses_are_left_out(
    slugs: list[str], bad: set[str], end: bool
) -> None:
    fit = fit_to(old_codex(*bad, end=end), table(*slugs))
    if set(slugs) <= bad:
        assert fit.problems
        return
    assert [route.slug for route in fit.table.live] == [slug for slug in slugs if slug not in bad]
    assert set(fit.refused) == bad & set(slugs)
    assert (fit.problems, fit.trouble) == ((), "")
    assert [entry["slug"] for entry in orjson.loads(fit.catalog)["models"]] == [
        slug for slug in slugs if slug not in bad
    ]


def test_what_is_left_out_is_hidden_with_the_reason_and_what_to_type() -> None:
    route = fit_to(old_codex("b"), table("a", "b")).table.routes["b"]
    assert "unknown variant `max`)" in route.hidden_because
    assert "npm install -g @openai/codex" in route.hidden_because


def test_a_refusal_without_a_place_refuses_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OldCodex, "refusal_of", lambda *_: "must contain at least one model")
    fit = fit_to(old_codex(), table("a", "b"))
    assert fit.problems == ("must contain at least one model",)
    assert fit.refused == {}


def test_where_codex_cannot_be_asked_our_rules_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> str:
        msg = "it crashed"
        raise CodexCliError(msg)

    monkeypatch.setattr(OldCodex, "refusal_of", broken)
    fit = fit_to(old_codex(), table("a"))
    assert (fit.problems, fit.trouble) == ((), "Checked by our own rules: it crashed.")
    no_codex = fit_to(None, RouteTable.of([Route("a", "A", "p", "m", {"slug": "a"}, no_plan)]))
    assert no_codex.problems
    assert no_codex.trouble.startswith("No Codex is installed")
    assert Fit(table("a")).catalog == fit.catalog
