"""Catalog entries of models.json rows."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.codex.catalog import CURRENT, EVERY_VERSION, Entry, catalog_problems, codex_shape
from addons.core.codex.row_catalog import OFFERED, default_level, offered_levels, row_entry
from addons.core.secrets import Origin
from addons.core.settings import vendor_profiles as vendors
from addons.core.settings.presets import PRESETS
from addons.core.settings.profiles import RULES
from addons.core.settings.row import ModelRow
from addons.core.upstream.profile import Profile
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target

BASE = "https://a.example/v1"


def target(profile: Profile, context: int = 128_000, *, images: bool = True) -> Target:
    origin = Origin.of(BASE)
    return Target(
        "s",
        "S",
        "p",
        "m",
        Protocol.CHAT,
        origin,
        "/v1",
        profile=profile,
        context_tokens=context,
        images=images,
    )


OLD_CODEX, NEW_CODEX = "0.133.0", "0.171.0"


def entry(made: Target, position: int = 0, client_version: str = OLD_CODEX) -> Entry:
    return row_entry(ModelRow("s", "S", "p", "m", made), made, position, client_version)


def efforts(made: Entry) -> list[str]:
    levels = made["supported_reasoning_levels"]
    assert isinstance(levels, list)
    return [level["effort"] for level in levels]


LEVEL_FIELDS = ("supported_reasoning_levels", "default_reasoning_level")
profiles = st.sampled_from([rule.profile for rule in RULES])


@given(profiles, st.integers(1024, 4_000_000), st.integers(0, 500), st.booleans())
def test_every_entry_is_valid_for_every_codex(
    profile: Profile, context: int, position: int, images: bool
) -> None:
    made = entry(target(profile, context, images=images), position)
    catalog = orjson.loads(orjson.dumps(codex_shape([made])))
    assert catalog_problems(catalog, EVERY_VERSION) == []
    assert catalog_problems(catalog, CURRENT) == []
    assert 1 <= int(str(made["priority"])) <= 99
    assert made["default_reasoning_level"] in (tuple(efforts(made)) or (None,))
    newest = entry(target(profile, context, images=images), position, NEW_CODEX)
    assert catalog_problems(orjson.loads(orjson.dumps(codex_shape([newest]))), CURRENT) == []
    assert newest["default_reasoning_level"] in (tuple(efforts(newest)) or (None,))
    assert {**newest, **{name: made[name] for name in LEVEL_FIELDS}} == made, "only levels differ"


def test_unsupported_features_are_not_claimed() -> None:
    made = entry(target(Profile()))
    assert made["tool_mode"] == "direct"
    assert made["supports_search_tool"] is False
    assert made["apply_patch_tool_type"] == "freeform"
    assert made["supported_in_api"] is True
    assert "use_responses_lite" not in made


def test_rows_keep_their_order_after_the_account_models() -> None:
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


def test_images_follow_the_row() -> None:
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
def test_distinct_efforts_are_offered(
    profile: Profile, levels: tuple[str, ...], default: str | None
) -> None:
    assert offered_levels(target(profile)) == levels
    assert default_level(levels) == default
    made = entry(target(profile))
    assert made["supports_reasoning_summaries"] is bool(levels)


LADDER = "low medium high xhigh"


@pytest.mark.parametrize(
    ("profile", "newest", "oldest", "default"),
    [
        (vendors.CLAUDE_ADAPTIVE, f"{LADDER} max", LADDER, "medium"),
        (vendors.CLAUDE_46, "low medium high max", LADDER, "medium"),
        (vendors.CLAUDE_BUDGET, LADDER, LADDER, "medium"),
        (vendors.OPENAI_O, "low medium high", "low medium high", "medium"),
        (vendors.OPENAI_REASONING, LADDER, LADDER, "medium"),
        (vendors.OPENAI_MAX, f"{LADDER} max", LADDER, "medium"),
        (vendors.KIMI_LEVELS, "low high max", "low high xhigh", "high"),
        (vendors.ZAI_LEVELS, "low high max", "low high xhigh", "high"),
        (vendors.ZAI, "none high", "none high", "high"),
        (vendors.DEEPSEEK, "none low high max", "none low high", "high"),
        (vendors.MISTRAL_ADJUSTABLE, "none high", "none high", "high"),
        (vendors.GROQ_QWEN, "none default", "none low", "default low"),
        (vendors.QWEN, "none high", "none high", "high"),
        (Profile(effort_style="adaptive_thinking"), f"{LADDER} max", LADDER, "medium"),
        (
            Profile(effort_style="reasoning_effort", efforts={"turbo": "turbo"}),
            f"{LADDER} turbo",
            LADDER,
            "medium",
        ),
    ],
)
def test_each_codex_is_offered_every_level_of_the_model_that_it_knows(
    profile: Profile, newest: str, oldest: str, default: str
) -> None:
    new, old = entry(target(profile), client_version=NEW_CODEX), entry(target(profile))
    assert efforts(new) == newest.split()
    assert efforts(old) == oldest.split()
    assert entry(target(profile), client_version="") == old, "an unknown version may be the oldest"
    assert new["default_reasoning_level"] == default.split(maxsplit=1)[0]
    assert old["default_reasoning_level"] == default.rsplit(maxsplit=1)[-1]


def test_level_under_another_name_says_what_is_sent() -> None:
    levels = entry(target(vendors.CLAUDE_46))["supported_reasoning_levels"]
    assert isinstance(levels, list)
    assert levels[-1] == {
        "effort": "xhigh",
        "description": "Much reasoning for the hardest problems; sent as `max`",
    }
    assert all("sent as" not in level["description"] for level in levels[:-1])


def test_every_effort_style_is_known() -> None:
    assert {rule.profile.effort_style for rule in RULES} <= OFFERED.keys()
    assert len(PRESETS) > 20


def test_verbosity_follows_the_profile() -> None:
    made = entry(target(Profile(verbosity=True)))
    assert (made["support_verbosity"], made["default_verbosity"]) == (True, "medium")
    made = entry(target(Profile()))
    assert (made["support_verbosity"], made["default_verbosity"]) == (False, None)
