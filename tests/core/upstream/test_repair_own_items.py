"""A refusal of an item of Codex's own is answered with the item as a message."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from addons.core.upstream.refusal import read_refusal
from addons.core.upstream.repair_own_items import NO_OWN_ITEMS, is_own_item, own_items
from addons.core.upstream.sent import Change, Sent
from tests.core.upstream.refusals import error
from tests.core.upstream.test_error_mapping import TARGET

HI = {"type": "message", "role": "user", "content": "hi"}
AGENT = {"type": "agent_message", "author": "/lead", "content": "go"}


def proposed(said: Any, items: object) -> list[Change]:
    refusal = read_refusal(400, orjson.dumps(said))
    return list(own_items(refusal, Sent(TARGET, {"input": items})))


@pytest.mark.parametrize(
    "said",
    [
        error("Invalid value: 'agent_message'. Supported values are: 'message'.", param="input[1]"),
        error("Invalid input", param="input[1].type"),
        error("Cannot determine type of 'item'"),
        error("Unknown item in input."),
        {"detail": [{"loc": ["body", "input", 1, "content"], "msg": "Field required"}]},
    ],
)
def test_refused_item_of_codex_is_sent_as_a_message(said: Any) -> None:
    assert proposed(said, [HI, AGENT]) == [NO_OWN_ITEMS]
    assert proposed(said, [HI, HI]) == []
    assert proposed(said, "hi") == []


@pytest.mark.parametrize(
    "said", [error("Invalid input", param="input[0].content"), error("temperature is refused")]
)
def test_refusal_of_something_else_proposes_nothing(said: Any) -> None:
    assert proposed(said, [HI, AGENT]) == []


@pytest.mark.parametrize(
    ("item", "is_own"),
    [(AGENT, True), (HI, False), ({"role": "user"}, False), ({"type": 5}, False), ({"type": "additional_tools"}, False)],
)  # fmt: skip
def test_only_undocumented_types_count(item: dict[str, object], is_own: bool) -> None:
    assert is_own_item(item) is is_own
