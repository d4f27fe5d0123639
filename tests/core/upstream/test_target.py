"""The scope in which a target's reasoning may be returned."""

from __future__ import annotations

from dataclasses import replace

import pytest

from addons.core.secrets import Origin
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target

TARGET = Target(
    "slug", "Name", "p", "m", Protocol.CHAT, Origin("https", "a.example", 443), "/v1/chat/completions"
)  # fmt: skip


def test_reasoning_scope_is_protocol_origin_and_model() -> None:
    assert TARGET.reasoning_scope == "chat:https://a.example:m"


@pytest.mark.parametrize(
    "other",
    [
        replace(TARGET, protocol=Protocol.MESSAGES),
        replace(TARGET, origin=Origin("https", "b.example", 443)),
        replace(TARGET, origin=Origin("http", "a.example", 80)),
        replace(TARGET, model="n"),
    ],
)
def test_another_service_or_model_is_another_scope(other: Target) -> None:
    assert other.reasoning_scope != TARGET.reasoning_scope


def test_rows_for_the_same_model_share_a_scope() -> None:
    other = replace(
        TARGET, slug="other", display_name="Other", provider="q", path="/v2", headers=()
    )
    assert other.reasoning_scope == TARGET.reasoning_scope
