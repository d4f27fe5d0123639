"""What a user probably meant by a wrong name."""

from __future__ import annotations

import pytest

from addons.core.settings.near_miss import nearest

KNOWN = ("provider", "api_key", "model", "deepseek", "xai")


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("provder", "provider"), ("PROVIDER", "provider"), ("apiKey", "api_key"), ("modle", "model"),
        ("deepsek", "deepseek"), ("colour", ""), ("xia", ""), ("mod", "model"), ("mo", ""), ("", ""), ("temperature", ""),
    ],
)  # fmt: skip
def test_name_that_is_nearly_known_is_found(wrong: str, meant: str) -> None:
    assert nearest(wrong, KNOWN) == meant


def test_word_with_a_meaning_of_its_own_is_no_mistake() -> None:
    assert nearest("Version", ["vision"]) == ""
    assert nearest("visions", ["vision"]) == "vision"
