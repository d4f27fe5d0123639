from __future__ import annotations

from typing import get_args

from addons.core.protocols.schemas.levels import BASIC, BY_TYPE, LEVELS, STRICT, SUBSET, WORDS
from addons.core.upstream.profile import SchemaCleaning


def test_every_level_of_a_profile_exists() -> None:
    assert {*LEVELS, "none"} == set(get_args(SchemaCleaning))


def test_each_level_keeps_less_than_the_one_before() -> None:
    assert BASIC.keywords > SUBSET.keywords >= WORDS.keywords
    assert BASIC.max_depth > SUBSET.max_depth > WORDS.max_depth
    assert not STRICT.keywords & {"minimum", "minLength", "minItems", "default", "pattern"}
    assert set(BY_TYPE) == {"string", "number", "integer", "array", "object", "boolean", "null"}
