"""docs/models.md names every field, spelling and provider that there is, and none that there is not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import AliasChoices

from addons.core.endpoints import Rules
from addons.core.key_places import DEFAULT_TTL_SECONDS
from addons.core.models_file import ROOTS, parse_models
from addons.core.presets import NOT_OURS, PRESETS, Preset
from addons.core.profiles import DEFAULT_CONTEXT_TOKENS
from addons.core.row_fields import OF_EARLIER_SHIMS, RowFields
from addons.core.settings import parse_settings
from addons.core.target import EffortStyle

PAGE = (Path(__file__).parents[1] / "docs/models.md").read_text()
ROW = re.compile(r"^\| (.*) \|$", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")


def table(heading: str) -> list[list[str]]:
    """The cells of the table whose first column has this heading."""
    section = PAGE[PAGE.index(f"| {heading} |") :].partition("\n\n")[0]
    return [line.split(" | ") for line in ROW.findall(section)][1:]


def spellings(name: str) -> list[str]:
    alias = RowFields.model_fields[name].validation_alias
    found = alias.choices if isinstance(alias, AliasChoices) else [name]
    return [name, *(str(one) for one in found if one != name)]


def test_every_field_is_there_with_all_its_spellings() -> None:
    told = {CODE.findall(cells[0])[0]: CODE.findall(cells[1]) for cells in table("field")}
    assert told == {name: spellings(name)[1:] for name in RowFields.model_fields}


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_every_provider_is_there_with_what_its_words_say(preset: Preset) -> None:
    [cells] = [one for one in table("word") if CODE.findall(one[0]) == list(preset.words)]
    assert cells[1] == preset.dialect
    assert CODE.findall(cells[2]) == ([preset.base_url] if preset.base_url else [])
    assert CODE.findall(cells[3]) == list(preset.key_env)


def test_no_provider_is_there_that_there_is_not() -> None:
    assert len(table("word")) == len(PRESETS)
    assert {"chatgpt", "cursor", "cursor-agent"} <= NOT_OURS


@pytest.mark.parametrize(
    "words",
    [ROOTS, sorted(OF_EARLIER_SHIMS), get_args(EffortStyle)],
    ids=["root", "older", "style"],
)
def test_other_words_are_named(words: tuple[str, ...]) -> None:
    assert [word for word in words if f"`{word}`" not in PAGE] == []


def test_defaults_are_those_of_the_code() -> None:
    assert f"Default {DEFAULT_TTL_SECONDS:.0f}." in PAGE
    assert f"else {DEFAULT_CONTEXT_TOKENS}." in PAGE


def test_the_example_has_no_mistake_and_all_its_rows() -> None:
    [example] = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    rows = parse_models(example.encode(), "models.json", Rules())
    assert (rows.problems, rows.notes) == ((), ())
    assert [row.slug for row in rows.rows if row.target] == [
        "deepseek-chat", "claude-sonnet-4-5", "big", "qwen3-8b",
    ]  # fmt: skip
    assert parse_settings(example.encode(), "models.json", {}).problems == ()
