"""Traits: precedence, validity, and how they change a target."""

from __future__ import annotations

from dataclasses import replace

import pytest

from addons.core.secrets import Origin
from addons.core.upstream.profile import Profile
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target
from addons.core.upstream.traits import (
    NO_TRAITS,
    Source,
    Trait,
    Traits,
    adapted,
    row_field_against,
)

ORIGIN = Origin("https", "api.example.test", 443)
TARGET = Target("row", "Row", "any", "big", Protocol.CHAT, ORIGIN, "/v1/chat/completions")


def learnt(**values: object) -> Traits:
    return Traits.of(Trait(name, value) for name, value in values.items())  # type: ignore[arg-type]


def test_target_without_traits_is_the_same_object() -> None:
    assert adapted(TARGET, NO_TRAITS) is TARGET


def test_profile_fields_are_replaced() -> None:
    target = adapted(TARGET, learnt(strict_tools=False, system_role="developer"))
    assert (target.profile.strict_tools, target.profile.system_role) == (False, "developer")
    assert target.profile.stream_usage is TARGET.profile.stream_usage


def test_images_and_output_limit_only_shrink() -> None:
    assert not adapted(TARGET, learnt(images=False)).images
    assert not adapted(replace(TARGET, images=False), learnt(images=True, strict_tools=True)).images
    for own, found, used in ((None, 8192, 8192), (4096, 8192, 4096), (9000, 8192, 8192)):
        target = adapted(replace(TARGET, max_output_tokens=own), learnt(max_output_tokens=found))
        assert target.max_output_tokens == used


def test_omitted_fields_are_listed() -> None:
    traits = Traits.of((Trait("omit:user", True), Trait("omit:messages.*.name", True)))
    assert adapted(TARGET, traits).omitted == ("messages.*.name", "user")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("no_such_field", True),
        ("strict_tools", "no"),
        ("system_role", "king"),
        ("efforts", {"low": 1}),
        ("images", 0),
        ("omit:", True),
        ("omit:user", False),
        ("name", "other"),
        ("max_output_tokens", True),
    ],
)
def test_trait_of_another_version_is_ignored(name: str, value: object) -> None:
    trait = Trait(name, value)  # type: ignore[arg-type]
    assert not trait.is_valid
    assert adapted(TARGET, Traits.of((trait,))) is TARGET


def test_learnt_trait_overrides_an_observed_one_in_any_order() -> None:
    seen = Trait("call_ids", "verbatim", Source.OBSERVED)
    learnt = Trait("call_ids", "openai", Source.LEARNT)
    for order in ((seen, learnt), (learnt, seen)):
        assert Traits.of(order).value("call_ids") == "openai"


def test_row_overrides_a_learnt_trait() -> None:
    row = replace(
        TARGET,
        extra_body={"top_k": 5, "thinking": {"budget": 1}, "user": None},
        row_fields={"effort_style": "thinking"},
        profile=Profile(effort_style="reasoning_effort"),
    )
    against = {
        Trait("omit:top_k", True): "extra_body_params.top_k",
        Trait("omit:thinking.budget", True): "extra_body_params.thinking",
        Trait("omit:user", True): "",
        Trait("omit:seed", True): "",
        Trait("effort_style", "none"): "thinking",
    }
    assert {trait: row_field_against(row, trait) for trait in against} == against
    target = adapted(row, Traits.of(against))
    assert target.omitted == ("seed", "user")
    assert target.profile.effort_style == "reasoning_effort"


def test_setting_of_the_row_overrides_a_learnt_trait() -> None:
    fields = {"images": "no_image_support", "max_output_tokens": "max_output_tokens"}
    row = replace(TARGET, max_output_tokens=9000, row_fields=fields)
    target = adapted(row, learnt(images=False, max_output_tokens=4096, files=False))
    assert target.images
    assert target.max_output_tokens == 9000
    assert not target.files
    assert row_field_against(row, Trait("images", value=False)) == "no_image_support"


@pytest.mark.parametrize(
    ("value", "valid"), [(1024, True), (True, False), (-1, False), ("9", False)]
)
def test_number_of_a_profile_is_checked(value: object, *, valid: bool) -> None:
    assert Trait("max_tool_description", value).is_valid is valid  # type: ignore[arg-type]
