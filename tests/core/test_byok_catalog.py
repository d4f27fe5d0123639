from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.byok_catalog import OFFERED, byok_entry, default_level, offered_levels
from addons.core.catalog import CURRENT, EVERY_VERSION, Entry, codex_shape, problems_of
from addons.core.credential import Origin
from addons.core.model_row import ModelRow
from addons.core.presets import PRESETS
from addons.core.profiles import RULES
from addons.core.target import Profile, Target
from addons.core.translate.conversation import Dialects

BASE = "https://a.example/v1"


def target(profile: Profile, context: int = 128_000, *, images: bool = True) -> Target:
    origin = Origin.of(BASE)
    return Target(
        "s",
        "S",
        "p",
        "m",
        Dialects.CHAT,
        origin,
        "/v1",
        profile=profile,
        context_tokens=context,
        images=images,
    )


def entry(made: Target, position: int = 0) -> Entry:
    return byok_entry(ModelRow("s", "S", "p", "m", made), made, position)


profiles = st.sampled_from([rule.profile for rule in RULES])


@given(profiles, st.integers(1024, 4_000_000), st.integers(0, 500), st.booleans())
def test_every_entry_is_one_that_every_codex_starts_with(
    profile: Profile, context: int, position: int, images: bool
) -> None:
    made = entry(target(profile, context, images=images), position)
    catalog = orjson.loads(orjson.dumps(codex_shape([made])))
    assert problems_of(catalog, EVERY_VERSION) == []
    assert problems_of(catalog, CURRENT) == []
    assert 1 <= int(str(made["priority"])) <= 99
    levels = made["supported_reasoning_levels"]
    assert isinstance(levels, list)
    names = [level["effort"] for level in levels]
    assert made["default_reasoning_level"] in (names or [None])


def test_what_a_translated_route_cannot_keep_is_not_claimed() -> None:
    made = entry(target(Profile()))
    assert made["tool_mode"] == "direct"
    assert made["supports_search_tool"] is False
    assert made["apply_patch_tool_type"] == "freeform"
    assert made["supported_in_api"] is True
    assert "use_responses_lite" not in made


def test_rows_stand_in_their_order_behind_the_accounts_models() -> None:
    priorities = [int(str(entry(target(Profile()), at)["priority"])) for at in range(120)]
    assert priorities == sorted(priorities)
    assert priorities[0] > 13
    assert priorities[-1] == 99


@pytest.mark.parametrize(
    ("context", "compact", "truncation"),
    [(128_000, 102_400, 40_960), (8_000, 8_000, 8_000), (1_000_000, 800_000, 64_000)],
)
def test_limits_follow_the_context_window(context: int, compact: int, truncation: int) -> None:
    made = entry(target(Profile(), context))
    assert made["context_window"] == made["max_context_window"] == context
    assert made["auto_compact_token_limit"] == compact
    assert made["truncation_policy"] == {"mode": "tokens", "limit": truncation}


def test_images_are_offered_where_the_row_takes_them() -> None:
    assert entry(target(Profile()))["input_modalities"] == ["text", "image"]
    assert entry(target(Profile(), images=False))["input_modalities"] == ["text"]


@pytest.mark.parametrize(
    ("profile", "levels", "default"),
    [
        (Profile(), (), None),
        (Profile(effort_style="thinking_switch"), ("none", "high"), "high"),
        (
            Profile(effort_style="reasoning_effort"),
            ("low", "medium", "high", "xhigh"),
            "medium",
        ),
        (
            Profile(effort_style="reasoning_effort", efforts={"xhigh": "high"}),
            ("low", "medium", "high"),
            "medium",
        ),
    ],
)
def test_efforts_that_make_a_difference_are_offered(
    profile: Profile, levels: tuple[str, ...], default: str | None
) -> None:
    assert offered_levels(target(profile)) == levels
    assert default_level(levels) == default
    made = entry(target(profile))
    assert made["supports_reasoning_summaries"] is bool(levels)


def test_every_style_of_effort_is_known() -> None:
    assert {rule.profile.effort_style for rule in RULES} <= OFFERED.keys()
    assert len(PRESETS) > 20


def test_verbosity_is_offered_where_the_model_has_it() -> None:
    made = entry(target(Profile(verbosity=True)))
    assert (made["support_verbosity"], made["default_verbosity"]) == (True, "medium")
    made = entry(target(Profile()))
    assert (made["support_verbosity"], made["default_verbosity"]) == (False, None)
