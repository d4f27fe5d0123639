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
    kept: dict[str, Any] = {"instructions": "Be.", "tools": [{"type": "custom", "name": "apply_patch"}], "prompt_cache_key": "k", "previous_response_id": "r"}  # fmt: skip
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


def test_no_tool_is_offered_that_would_be_run() -> None:
    shown: list[dict[str, object]] = [
        {"type": kind} for kind in ("function", "custom", "namespace", "local_shell", "tool_search", "apply_patch", "computer_use_preview")
    ]  # fmt: skip
    shown.append({"type": "shell", "environment": {"type": "local"}})
    run: list[Any] = [
        {"type": kind} for kind in ("web_search", "web_search_preview_2025_03_11", "image_generation", "code_interpreter", "file_search", "mcp", "new\x1b[1m", "")
    ]  # fmt: skip
    run += [
        {"type": "shell", "environment": {"type": "container_auto"}},
        "text",
        None,
        {"type": {}},
    ]
    carrier = {"type": "additional_tools", "role": "developer"}
    message = {"type": "message", "role": "user", "tools": ["as it is"]}
    payload, changed = sent({}, tools=run + shown, input=[{**carrier, "tools": [*shown, *run]}, message, "text"])  # fmt: skip
    assert payload["tools"] == shown
    assert payload["input"] == [{**carrier, "tools": shown}, message, "text"]
    (note,) = changed
    assert note.startswith("without tools that would be run: web_search, web_search_preview_")
    assert note.endswith("a tool without a type, shell")
    assert "\x1b" not in note
    assert sent({}, tools=shown, tool_choice={"type": "web_search"})[1] == ()


def test_choice_of_a_tool_that_is_left_out_is_free() -> None:
    function, search = {"type": "function", "name": "f"}, {"type": "web_search"}
    for tools, choice, expected in (
        ([search], "required", "auto"),
        ([search, function], "required", "required"),
        ([search], "none", "none"),
        ([search, function], search, "auto"),
        ([search, function], function, function),
        ([search], {"type": "allowed_tools", "tools": [search]}, "auto"),
        ([search, function], {"type": "allowed_tools", "mode": "auto", "tools": [search, function]}, {"type": "allowed_tools", "mode": "auto", "tools": [function]}),
    ):  # fmt: skip
        assert sent({}, tools=tools, tool_choice=choice)[0]["tool_choice"] == expected
    assert "tool_choice" not in sent({}, tools=[search])[0]


def test_answer_is_added_to_no_conversation() -> None:
    assert "conversation" not in sent({}, conversation={"id": "conv_1"})[0]


def test_integers_stay_exact() -> None:
    body = b'{"model":"row","input":[],"n":123456789012345678901234567890}'
    request = what_if_request(original(body), "other", {}, "t2")
    assert b'"n":123456789012345678901234567890' in request.body
