"""The request that asks another model the same."""

from __future__ import annotations

from typing import Any

import orjson

from addons.core.codex.threads import PURPOSE, WHAT_IF, agent_of
from addons.core.turn import ClientRequest
from addons.core.what_if.request import what_if_request
from tests.core.what_if.samples import body_of, original

LEVELS: dict[str, object] = {
    "supported_reasoning_levels": [{"effort": "low"}, {"effort": "medium"}],
    "default_reasoning_level": "medium",
}


def sent(entry: dict[str, object], **fields: Any) -> tuple[dict[str, object], tuple[str, ...]]:
    request = what_if_request(original(body_of(**fields)), "other", entry, "t2")
    payload: dict[str, object] = orjson.loads(request.body)
    return payload, request.changed


def test_all_but_the_model_and_the_run_is_as_recorded() -> None:
    kept: dict[str, Any] = {"instructions": "Be.", "tools": [{"type": "web_search"}], "prompt_cache_key": "k", "previous_response_id": "r"}  # fmt: skip
    payload, changed = sent({}, client_metadata={"a": "b"}, generate=False, background=True, store=True, **kept)  # fmt: skip
    assert payload == {**orjson.loads(body_of("other")), **kept, "store": False}
    assert changed == ()


def test_turn_is_in_a_thread_of_its_own_and_is_no_turn_of_the_user() -> None:
    request = what_if_request(original(), "other", {}, "t2")
    headers = dict(request.headers)
    assert (headers[b"thread-id"], headers[b"session-id"], headers[PURPOSE]) == (b"t2", b"t2", b"what-if")  # fmt: skip
    assert headers[b"originator"] == b"codex_exec"
    client = ClientRequest("POST", "/v1/responses", request.headers, request.body)
    assert agent_of(client, "codex-auto-review") == WHAT_IF


def test_effort_that_the_model_does_not_offer_becomes_its_default() -> None:
    payload, changed = sent(LEVELS, reasoning={"effort": "xhigh", "summary": "auto"})
    assert payload["reasoning"] == {"effort": "medium", "summary": "auto"}
    assert changed == ("reasoning effort medium in place of xhigh, which it does not offer",)
    del (no_default := dict(LEVELS))["default_reasoning_level"]
    assert sent(no_default, reasoning={"effort": "xhigh"})[0]["reasoning"] == {"effort": "medium"}
    for entry, effort in ((LEVELS, "low"), ({}, "xhigh")):
        payload, changed = sent(entry, reasoning={"effort": effort})
        assert (payload["reasoning"], changed) == ({"effort": effort}, ())


def test_tools_that_the_upstream_would_run_at_another_server_are_left_out() -> None:
    search = {"type": "web_search"}
    payload, changed = sent({}, tools=[search, {"type": "mcp", "server_url": "https://e.x"}])
    assert payload["tools"] == [search]
    assert "MCP" in changed[0]


def test_integers_stay_exact() -> None:
    body = b'{"model":"row","input":[],"n":123456789012345678901234567890}'
    request = what_if_request(original(body), "other", {}, "t2")
    assert b'"n":123456789012345678901234567890' in request.body
