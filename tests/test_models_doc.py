"""docs/models.md names exactly the fields, spellings and providers of the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import AliasChoices

from addons.core.settings.key_refs import DEFAULT_TTL_SECONDS
from addons.core.settings.models_file import ROOTS, parse_models
from addons.core.settings.presets import LOGIN_PROVIDERS, PRESETS, Preset, preset_for
from addons.core.settings.profiles import DEFAULT_CONTEXT_TOKENS
from addons.core.settings.root import parse_settings
from addons.core.settings.row_schema import OF_EARLIER_SHIMS, RowFields
from addons.core.settings.upstream_url import EndpointRules
from addons.core.upstream.profile import EffortStyle
from tests.strict.provider_apis import CHAT_APIS, MESSAGES_APIS, RESPONSES_APIS

PAGE = (Path(__file__).parents[1] / "docs/models.md").read_text()
ROW = re.compile(r"^\| (.*) \|$", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")


def table(heading: str) -> list[list[str]]:
    """Return the cells of the table whose first column has this heading."""
    section = PAGE[PAGE.index(f"| {heading} |") :].partition("\n\n")[0]
    return [line.split(" | ") for line in ROW.findall(section)][1:]


def spellings(name: str) -> list[str]:
    alias = RowFields.model_fields[name].validation_alias
    found = alias.choices if isinstance(alias, AliasChoices) else [name]
    return [name, *(str(one) for one in found if one != name)]


def test_fields_and_their_spellings_are_documented() -> None:
    documented = {CODE.findall(cells[0])[0]: CODE.findall(cells[1]) for cells in table("field")}
    assert documented == {name: spellings(name)[1:] for name in RowFields.model_fields}


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_provider_is_documented(preset: Preset) -> None:
    [cells] = [one for one in table("word") if CODE.findall(one[0]) == list(preset.words)]
    assert cells[1] == preset.protocol
    assert CODE.findall(cells[2]) == ([preset.base_url] if preset.base_url else [])
    assert CODE.findall(cells[3]) == list(preset.key_env)


def test_providers_with_a_strict_judge_are_described() -> None:
    described = {word for cells in table("provider") for word in CODE.findall(cells[0])}
    judged = {str(api.row["provider"]) for api in (*CHAT_APIS, *MESSAGES_APIS, *RESPONSES_APIS)}
    assert described == {preset_for(word).name for word in judged}


def test_no_unknown_provider_is_documented() -> None:
    assert len(table("word")) == len(PRESETS)


def test_providers_of_a_login_are_documented() -> None:
    assert "`chatgpt`, `cursor` and `cursor-agent` are hidden" in PAGE
    assert {"chatgpt", "cursor", "cursor-agent"} <= LOGIN_PROVIDERS


@pytest.mark.parametrize(
    "names",
    [ROOTS, sorted(OF_EARLIER_SHIMS), get_args(EffortStyle)],
    ids=["root", "older", "style"],
)
def test_other_names_are_documented(names: tuple[str, ...]) -> None:
    assert [name for name in names if f"`{name}`" not in PAGE] == []


def test_documented_defaults_are_those_of_the_code() -> None:
    assert f"Default {DEFAULT_TTL_SECONDS:.0f}." in PAGE
    assert f"else {DEFAULT_CONTEXT_TOKENS}." in PAGE


def test_example_is_valid_and_complete() -> None:
    [example] = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    rows = parse_models(example.encode(), "models.json", EndpointRules())
    assert (rows.problems, rows.notes) == ((), ())
    assert [row.slug for row in rows.rows if row.target] == [
        "deepseek-chat", "claude-sonnet-4-5", "big", "qwen3-8b",
    ]  # fmt: skip
    assert parse_settings(example.encode(), "models.json", {}).problems == ()
