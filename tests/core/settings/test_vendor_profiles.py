"""`test_profiles` tests which model gets which profile; these are the rules that every profile keeps."""

from __future__ import annotations

from dataclasses import fields

import pytest

from addons.core.settings import vendor_profiles
from addons.core.settings.vendor_profiles import LADDER
from addons.core.upstream.profile import Profile

PROFILES = [value for value in vars(vendor_profiles).values() if isinstance(value, Profile)]


def test_profiles_have_names_of_their_own() -> None:
    names = [profile.name for profile in PROFILES]
    assert len(names) == len(set(names)) > 30


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_values_are_those_of_the_type(profile: Profile) -> None:
    assert {field.name for field in fields(profile)} == {field.name for field in fields(Profile)}
    assert set(profile.efforts) <= set(LADDER)
    assert set(profile.efforts.values()) <= {*LADDER, "default"}


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_effort_is_not_translated_for_a_model_without_levels(profile: Profile) -> None:
    if profile.effort_style in {"enable_thinking", "template_switch"}:
        assert profile.efforts == {}


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_thinking_that_is_switched_off_has_a_switch(profile: Profile) -> None:
    """`needs_own_reasoning` switches thinking off, so the model must have words for that."""
    if profile.needs_own_reasoning:
        switches = {
            "thinking_switch",
            "enable_thinking",
            "template_switch",
            "reasoning_object",
            "thinking_budget",
        }
        assert profile.effort_style in switches
