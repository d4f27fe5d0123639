"""A proposed change."""

from __future__ import annotations

from addons.core.upstream.sent import Change


def test_change_of_traits_and_of_fields() -> None:
    assert Change.of("w", strict_tools=False).traits == (("strict_tools", False),)
    change = Change.omitting("user", "messages.*.name")
    assert change.what == "sent without `user`, `messages.*.name`"
    assert change.traits == (("omit:user", True), ("omit:messages.*.name", True))
