"""Validation of a catalog. Each case was measured with the Codex binaries 0.133 and 0.169."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.codex.catalog_rules import CURRENT, EVERY_VERSION, catalog_problems

DEL = object()
ENTRY: dict[str, Any] = {
    "slug": "m",
    "display_name": "M",
    "supported_reasoning_levels": [{"effort": "low", "description": "d"}],
    "shell_type": "shell_command",
    "visibility": "list",
    "supported_in_api": True,
    "priority": 1,
    "base_instructions": "You are Codex.",
    "supports_reasoning_summaries": True,
    "support_verbosity": False,
    "truncation_policy": {"mode": "tokens", "limit": 10000},
    "supports_parallel_tool_calls": True,
    "experimental_supported_tools": [],
}


def catalog(**changes: object) -> dict[str, object]:
    entry = {**ENTRY, **changes}
    return {"models": [{k: v for k, v in entry.items() if v is not DEL}]}


def test_minimal_entry_is_valid() -> None:
    assert catalog_problems(catalog()) == []
    assert catalog_problems(catalog(), EVERY_VERSION) == []


REJECTED: list[tuple[str, object, str]] = [
    ("slug", DEL, "models[0].slug: is missing"),
    ("slug", "", "models[0].slug: must not be empty"),
    ("slug", 3, "models[0].slug: must be text, not a number"),
    ("display_name", DEL, 'models["m"].display_name: is missing'),
    ("description", [], 'models["m"].description: must be text, not a list'),
    ("supported_reasoning_levels", DEL, 'models["m"].supported_reasoning_levels: is missing'),
    ("supported_reasoning_levels", None, 'models["m"].supported_reasoning_levels: must be a list, not null'),
    ("supported_reasoning_levels", ["low"], 'models["m"].supported_reasoning_levels[0]: must be an object, not text'),
    ("supported_reasoning_levels", [{"effort": "low"}], 'models["m"].supported_reasoning_levels[0].description: is missing'),
    ("supported_reasoning_levels", [{"effort": "", "description": ""}], 'models["m"].supported_reasoning_levels[0].effort: must not be empty'),
    ("shell_type", DEL, 'models["m"].shell_type: is missing'),
    ("shell_type", "bash", 'models["m"].shell_type: must be one of default, local, shell_command, unified_exec, disabled'),
    ("visibility", "shown", 'models["m"].visibility: must be one of list, hide, none'),
    ("supported_in_api", 1, 'models["m"].supported_in_api: must be true or false, not a number'),
    ("priority", DEL, 'models["m"].priority: is missing'),
    ("priority", 2**31, 'models["m"].priority: must be a whole number of 32 bits'),
    ("priority", -(2**31) - 1, 'models["m"].priority: must be a whole number of 32 bits'),
    ("priority", 1.0, 'models["m"].priority: must be a whole number of 32 bits'),
    ("priority", True, 'models["m"].priority: must be a whole number of 32 bits'),
    ("support_verbosity", DEL, 'models["m"].support_verbosity: is missing'),
    ("truncation_policy", DEL, 'models["m"].truncation_policy: is missing'),
    ("truncation_policy", {"mode": "chars", "limit": 1}, 'models["m"].truncation_policy.mode: must be one of bytes, tokens'),
    ("truncation_policy", {"mode": "bytes"}, 'models["m"].truncation_policy.limit: is missing'),
    ("truncation_policy", {"mode": "bytes", "limit": 2**63}, 'models["m"].truncation_policy.limit: must be a whole number of 64 bits'),
    ("experimental_supported_tools", DEL, 'models["m"].experimental_supported_tools: is missing'),
    ("base_instructions", DEL, 'models["m"].base_instructions: is missing, and there is no model_messages.instructions_template'),
    ("default_reasoning_level", "", 'models["m"].default_reasoning_level: must not be empty'),
    ("default_verbosity", "loud", 'models["m"].default_verbosity: must be one of low, medium, high'),
    ("apply_patch_tool_type", "function", 'models["m"].apply_patch_tool_type: must be one of freeform'),
    ("web_search_tool_type", None, 'models["m"].web_search_tool_type: must be one of text, text_and_image'),
    ("input_modalities", ["video"], 'models["m"].input_modalities[0]: must be one of text, image, audio'),
    ("context_window", "128k", 'models["m"].context_window: must be a whole number of 64 bits'),
    ("service_tiers", [{"id": "p", "name": "P"}], 'models["m"].service_tiers[0].description: is missing'),
    ("availability_nux", {}, 'models["m"].availability_nux.message: is missing'),
    ("upgrade", {"model": "n"}, 'models["m"].upgrade.migration_markdown: is missing'),
    ("model_messages", {"instructions_template": 3}, 'models["m"].model_messages.instructions_template: must be text, not a number'),
    ("use_responses_lite", None, 'models["m"].use_responses_lite: must be true or false, not null'),
    ("tool_mode", 1, 'models["m"].tool_mode: must be text, not a number'),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "expected"), REJECTED)
def test_invalid_field_is_reported(field: str, value: object, expected: str) -> None:
    assert [str(problem) for problem in catalog_problems(catalog(**{field: value}))] == [expected]


# The values that each field accepts.
BOOLEANS = [
    "supported_in_api",
    "include_skills_usage_instructions",
    "include_plugin_usage_instructions",
    "include_apps_usage_instructions",
    "support_verbosity",
    "supports_image_detail_original",
    "supports_search_tool",
    "supports_experimental_context",
    "use_responses_lite",
    "supports_reasoning_effort_updates",
    "node_repl_auto_review_required",
    "node_repl_disabled",
]
TEXT_OR_NULL = [
    "description",
    "default_reasoning_level",
    "default_service_tier",
    "tool_mode",
    "multi_agent_version",
    "multi_agent_reasoning_effort",
    "auto_review_model_override",
    "model_specialty",
    "comp_hash",
]
INTEGER_OR_NULL = ["context_window", "max_context_window", "auto_compact_token_limit"]
LISTS_OF_TEXT = ["additional_speed_tiers", "experimental_supported_tools"]
ENUMS = {
    "shell_type": "default local shell_command unified_exec disabled",
    "visibility": "list hide none",
    "default_reasoning_summary": "auto concise detailed none",
    "default_verbosity": "low medium high",
    "apply_patch_tool_type": "freeform",
    "web_search_tool_type": "text text_and_image",
}
TIER = {"id": "a", "name": "b", "description": "c"}
UPGRADE = {"model": "a", "migration_markdown": "b"}
EFFORT = {"effort": "low", "description": "d"}
ACCEPTED_VALUES: list[tuple[str, object]] = [
    *((name, value) for name in BOOLEANS for value in (True, False)),
    *((name, value) for name in TEXT_OR_NULL for value in ("x", None)),
    *((name, value) for name in INTEGER_OR_NULL for value in (0, 2**63 - 1, -(2**63), None)),
    *((name, value) for name in LISTS_OF_TEXT for value in ([], ["x"])),
    *((name, value) for name, values in ENUMS.items() for value in values.split()),
    *(("input_modalities", [value]) for value in ("text", "image", "audio")),
    *(("truncation_policy", {"mode": mode, "limit": 1}) for mode in ("bytes", "tokens")),
    ("priority", 2**31 - 1),
    ("effective_context_window_percent", 95),
    ("service_tiers", [TIER]),
    ("availability_nux", {"message": "m"}),
    ("availability_nux", None),
    ("upgrade", UPGRADE),
    ("upgrade", None),
    ("model_messages", {}),
    ("model_messages", {"instructions_template": None}),
]
REJECTED_VALUES: list[tuple[str, object]] = [
    *((name, value) for name in BOOLEANS for value in ("true", 0, None)),
    *((name, value) for name in TEXT_OR_NULL for value in (1, False, ["x"])),
    *((name, value) for name in INTEGER_OR_NULL for value in (2**63, -(2**63) - 1, "1", 1.0)),
    *((name, value) for name in LISTS_OF_TEXT for value in ([1], "x", None)),
    *((name, value) for name in ENUMS for value in ("other", 1)),
    *(("truncation_policy", value) for value in (None, {"mode": "bytes", "limit": "1"})),
    *(("service_tiers", [{**TIER, name: 1}]) for name in TIER),
    *(("service_tiers", [{n: v for n, v in TIER.items() if n != name}]) for name in TIER),
    *(("upgrade", {**UPGRADE, name: 1}) for name in UPGRADE),
    *(("upgrade", {n: v for n, v in UPGRADE.items() if n != name}) for name in UPGRADE),
    *(("supported_reasoning_levels", [{**EFFORT, name: 1}]) for name in EFFORT),
    ("supported_reasoning_levels", [{"description": "d"}]),
    *(("effective_context_window_percent", value) for value in (None, 2**63)),
    *(("truncation_policy", {"mode": "bytes", "limit": limit}) for limit in (2**63, -(2**63) - 1)),
    ("availability_nux", {"message": 1}),
    ("base_instructions", 1),
    ("model_messages", []),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), ACCEPTED_VALUES)
def test_accepted_values_of_each_field(field: str, value: object) -> None:
    assert catalog_problems(catalog(**{field: value})) == []


@pytest.mark.parametrize(("field", "value"), REJECTED_VALUES)
def test_other_values_of_each_field_are_rejected(field: str, value: object) -> None:
    [problem] = catalog_problems(catalog(**{field: value}))
    assert f".{field}" in problem.path


@pytest.mark.parametrize("value", ["none", "minimal", "low", "medium", "high", "xhigh"])
def test_older_codex_accepts_these_efforts(value: str) -> None:
    levels = [{"effort": value, "description": ""}]
    changed = catalog(default_reasoning_level=value, supported_reasoning_levels=levels)
    assert catalog_problems(changed, EVERY_VERSION) == []


@pytest.mark.parametrize(
    "field", ["supports_reasoning_summaries", "supports_parallel_tool_calls", "base_instructions"]
)
def test_older_codex_checks_types(field: str) -> None:
    [problem] = catalog_problems(catalog(**{field: 3}), EVERY_VERSION)
    assert problem.path == f'models["m"].{field}'


@pytest.mark.parametrize("value", ["text", "image"])
def test_older_codex_accepts_these_modalities(value: str) -> None:
    assert catalog_problems(catalog(input_modalities=[value]), EVERY_VERSION) == []


ACCEPTED: list[tuple[str, object]] = [
    ("an_unknown_field", {"any": "thing"}),
    ("description", None),
    ("supported_reasoning_levels", []),
    ("supported_reasoning_levels", [{"effort": "ultra", "description": "", "more": 1}]),
    ("default_reasoning_level", "max"),
    ("priority", -(2**31)),
    ("context_window", 2**31),
    ("truncation_policy", {"mode": "bytes", "limit": -1}),
    ("experimental_supported_tools", ["x"]),
    ("apply_patch_tool_type", None),
    ("input_modalities", ["text", "audio"]),
    ("tool_mode", "code_mode_only"),
    ("supports_parallel_tool_calls", DEL),
]


@pytest.mark.parametrize(("field", "value"), ACCEPTED)
def test_current_codex_accepts_this(field: str, value: object) -> None:
    assert catalog_problems(catalog(**{field: value})) == []


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("base_instructions", None, "base_instructions"),
        ("supports_parallel_tool_calls", DEL, "supports_parallel_tool_calls"),
        ("supports_reasoning_summaries", DEL, "supports_reasoning_summaries"),
        ("default_reasoning_level", "max", "default_reasoning_level"),
        (
            "supported_reasoning_levels",
            [{"effort": "max", "description": ""}],
            "supported_reasoning_levels[0].effort",
        ),
        ("input_modalities", ["audio"], "input_modalities[0]"),
    ],
)
def test_older_codex_rejects_what_the_current_one_accepts(
    field: str, value: object, path: str
) -> None:
    changed = catalog(**{field: value}, model_messages={"instructions_template": "t"})

    assert catalog_problems(changed, CURRENT) == []
    assert [problem.path for problem in catalog_problems(changed, EVERY_VERSION)] == [
        f'models["m"].{path}'
    ]


@pytest.mark.parametrize(
    ("whole", "expected"),
    [
        (None, "catalog: must be an object, not null"),
        ([ENTRY], "catalog: must be an object, not a list"),
        ({}, "models: must be a list of models"),
        ({"models": {}}, "models: must be a list of models"),
        ({"models": []}, "models: must contain at least one model"),
        ({"models": ["m"]}, "models[0]: must be an object, not text"),
        ({"models": [ENTRY, {**ENTRY}]}, 'models[1].slug: "m" is used twice'),
    ],
)
def test_malformed_catalog_is_reported(whole: object, expected: str) -> None:
    assert [str(problem) for problem in catalog_problems(whole)] == [expected]


def test_every_invalid_entry_is_reported() -> None:
    bad = {"models": [{**ENTRY, "priority": "1"}, {**ENTRY, "slug": "n", "visibility": None}]}

    assert [problem.path for problem in catalog_problems(bad)] == [
        'models["m"].priority',
        'models["n"].visibility',
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(sorted(ENTRY)), inner),
)


@given(json_values)
def test_any_json_is_validated_without_an_exception(value: object) -> None:
    catalog_problems(value)
    catalog_problems({"models": [value]})
