"""The recipes of the Justfile are unique, and CONTRIBUTING.md names only existing ones."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
RECIPE = re.compile(r"^([a-z][a-z0-9-]*)(?: \*\w+)?:", re.MULTILINE)


def recipes() -> list[str]:
    return RECIPE.findall((ROOT / "Justfile").read_text())


def test_recipe_names_are_unique() -> None:
    assert len(recipes()) > 5
    assert sorted(recipes()) == sorted(set(recipes()))


def test_contributing_names_only_existing_recipes() -> None:
    named = set(re.findall(r"\bjust ([a-z-]+)", (ROOT / "CONTRIBUTING.md").read_text()))
    assert named
    assert named <= set(recipes())
