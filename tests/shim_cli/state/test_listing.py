from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from addons.adapters.route_sources import RouteSources
from shim_cli.state.listing import ListedModel, Listing
from tests.shim_cli.run import environment

ROW = {"model": "m", "slug": "mine", "base_url": "https://a.example/v1", "api_key": "sk-hush"}
MODEL = ListedModel("a", "A", "m-1", "deepseek", "https://a.example", 1000, True, "")


@pytest.fixture
def listing(tmp_path: Path) -> Listing:
    settings = tmp_path / "models.json"
    settings.write_text(json.dumps({"models": [ROW], "aliases": 3}))
    return Listing.of(RouteSources(environment(tmp_path), settings))


def test_listing_has_every_route_of_the_table(listing: Listing) -> None:
    by_slug = {model.slug: model for model in listing.models}
    assert [model.slug for model in listing.live] == ["mine"]
    assert by_slug["mine"].upstream == "https://a.example"
    assert by_slug["gpt-5.5"].upstream == "http://127.0.0.1:9"
    assert "codex login" in by_slug["gpt-5.5"].hidden_because
    assert by_slug["shim-demo"].upstream == ""
    assert len(listing.problems) == 1
    assert "aliases" in listing.problems[0]


def test_listing_survives_json_and_has_no_key(listing: Listing) -> None:
    text = json.dumps(listing.as_json())
    assert Listing.from_json(json.loads(text)) == listing
    assert "hush" not in text


@pytest.mark.parametrize("value", [{}, {"models": 3, "problems": []}, {"models": [{"slug": "a"}], "problems": []}])  # fmt: skip
def test_other_json_is_rejected(value: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError)):
        Listing.from_json(value)


def test_hidden_models_are_not_live() -> None:
    hidden = replace(MODEL, slug="b", live=False, hidden_because="no key")
    assert Listing((MODEL, hidden)).live == (MODEL,)


@pytest.mark.parametrize(("named", "shown"), [("eyes", "eyes"), ("eyse", "")])
def test_only_a_model_that_is_there_describes_pictures(
    named: str, shown: str, tmp_path: Path
) -> None:
    common = {"model": "m", "provider": "openai-compatible", "base_url": "http://127.0.0.1:10/v1", "api_key": "k"}  # fmt: skip
    rows = [{"slug": "eyes", **common}, {"slug": "blind", "vision": named, **common}]
    settings = tmp_path / "models.json"
    settings.write_text(json.dumps({"models": rows}))
    listing = Listing.of(RouteSources(environment(tmp_path), settings))
    found = {model.slug: model.vision for model in listing.models}
    assert (found["eyes"], found["blind"]) == ("", shown)
    assert any("'eyse' is no model" in problem for problem in listing.problems) is not bool(shown)
