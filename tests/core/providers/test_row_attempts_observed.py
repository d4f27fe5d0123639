"""What a whole response shows about its upstream."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from addons.core.providers.row_attempts import observed_traits
from addons.core.upstream.profile import Profile
from addons.core.upstream.protocol import Protocol
from tests.core.providers.rows import TARGET

LONG = "chatcmpl-tool-" + "0" * 60


@pytest.mark.parametrize(
    ("protocol", "form", "call_id", "seen"),
    [
        (Protocol.CHAT, "openai", LONG, True),
        (Protocol.CHAT, "openai", "call_1", False),
        (Protocol.CHAT, "any", LONG, False),
        (Protocol.CHAT, "mistral", "call_1", True),
        (Protocol.CHAT, "mistral", "abcdefgh1", False),
        (Protocol.CHAT, "verbatim", LONG, False),
        (Protocol.MESSAGES, "any", "functions.shell:0", True),
        (Protocol.MESSAGES, "any", "toolu_1", False),
    ],
)
def test_id_that_would_be_changed_is_returned_unchanged_from_then_on(
    protocol: Protocol, form: Any, call_id: str, *, seen: bool
) -> None:
    target = replace(TARGET, protocol=protocol, profile=Profile(call_ids=form))
    response = {"output": [{"type": "message"}, {"type": "function_call", "call_id": call_id}]}
    assert observed_traits(response, target) == ({"call_ids": "verbatim"} if seen else {})


@pytest.mark.parametrize("output", [None, "x", [None], [{"call_id": 3}]])
def test_response_of_any_shape_is_read(output: object) -> None:
    assert observed_traits({"output": output}, TARGET) == {}
