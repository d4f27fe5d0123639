"""The recipes of the Justfile: each is there once, and CONTRIBUTING names none that is not."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
RECIPE = re.compile(r"^([a-z][a-z0-9-]*)(?: \*\w+)?:", re.MULTILINE)


def recipes() -> list[str]:
    return RECIPE.findall((ROOT / "Justfile").read_text())


def test_each_recipe_has_a_name_of_its_own() -> None:
    assert len(recipes()) > 5
    assert sorted(recipes()) == sorted(set(recipes()))


def test_contributing_names_recipes_that_there_are() -> None:
    named = set(re.findall(r"\bjust ([a-z-]+)", (ROOT / "CONTRIBUTING.md").read_text()))
    assert named
    assert named <= set(recipes())
