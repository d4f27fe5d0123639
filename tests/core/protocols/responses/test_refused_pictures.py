"""A native request without what its upstream refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from addons.core.protocols.responses.refused_pictures import accepted_payload
from addons.core.upstream.profile import Profile
from addons.core.upstream.repair_items import (
    file_digest,
    native_reasoning_digest,
    picture_digest,
    step_digest,
)
from tests.core.upstream.test_traits import TARGET

URL = "data:image/png;base64,AAAA"
PICTURE, OTHER = (
    {"type": "input_image", "image_url": url} for url in (URL, "https://a.test/b.png")
)
PAYLOAD: dict[str, Any] = {
    "input": [
        {"role": "user", "content": [PICTURE, OTHER, {"type": "input_text", "text": "a"}]},
        {"type": "function_call_output", "output": [PICTURE]},
        {"type": "function_call_output", "output": "text"},
        "no object",
    ]
}


def kinds(payload: Any) -> list[list[str]]:
    lists = (item.get("content") or item.get("output") for item in payload["input"][:2])
    return [[part["type"] for part in parts] for parts in lists]


def test_only_the_refused_picture_is_a_note() -> None:
    found = accepted_payload(PAYLOAD, TARGET, [picture_digest(URL)])
    assert kinds(found) == [["input_text", "input_image", "input_text"], ["input_text"]]
    assert found["input"][2:] == PAYLOAD["input"][2:]  # type: ignore[index]


def test_model_without_pictures_gets_none() -> None:
    found = accepted_payload(PAYLOAD, replace(TARGET, images=False), ())
    assert "input_image" not in str(found)


@pytest.mark.parametrize("payload", [PAYLOAD, {"input": "text"}, {}, {"input": [1]}])
def test_request_without_refused_pictures_is_the_same_object(payload: dict[str, Any]) -> None:
    assert accepted_payload(payload, TARGET, ()) is payload
    assert accepted_payload(payload, TARGET, ["other"]) is payload


FILE, SECOND = (
    {"type": "input_file", "filename": name, "file_data": f"data:application/pdf;base64,{name}"}
    for name in ("a", "b")
)
FILES: dict[str, Any] = {"input": [{"role": "user", "content": [FILE, SECOND]}]}


def test_only_the_refused_file_is_a_note() -> None:
    found = accepted_payload(FILES, TARGET, [file_digest(FILE)])
    assert found["input"][0]["content"][1] == SECOND  # type: ignore[index]
    assert "a file was left out, a" in str(found)


def test_upstream_without_files_gets_none() -> None:
    assert "input_file" not in str(accepted_payload(FILES, replace(TARGET, files=False), ()))


@pytest.mark.parametrize("own", [{"id": "rs_1"}, {"id": "rs_1", "encrypted_content": "gA"}])
def test_refused_reasoning_item_is_left_out(own: dict[str, str]) -> None:
    item, other = {"type": "reasoning", **own}, {"type": "reasoning", "id": "rs_2"}
    found = accepted_payload({"input": [item, other]}, TARGET, [native_reasoning_digest(item)])
    assert found == {"input": [other]}


def test_long_call_id_is_the_same_in_the_call_and_its_output() -> None:
    target = replace(TARGET, profile=Profile(call_ids="openai"))
    call = {"type": "function_call", "call_id": "c" * 80}
    output = {"type": "function_call_output", "call_id": "c" * 80, "output": "x"}
    short = {"type": "function_call", "call_id": "call_1"}
    found = accepted_payload({"input": [call, output, short]}, target, ())
    ids = [one["call_id"] for one in found["input"]]  # type: ignore[attr-defined]
    assert ids[0] == ids[1] != ids[2] == "call_1"
    assert len(ids[0]) <= 64


def test_complete_description_follows_the_instructions() -> None:
    target = replace(TARGET, profile=Profile(max_tool_description=100))
    tools = [{"type": "function", "name": "a", "description": "é" * 90}, {"type": "web_search"}]
    found: Any = accepted_payload({"instructions": "Be.", "tools": tools}, target, ())
    assert len(found["tools"][0]["description"].encode()) <= 100
    assert found["tools"][1] == tools[1]
    assert found["instructions"].startswith("Be.\n\n")
    assert "é" * 90 in found["instructions"]
    assert accepted_payload({"tools": tools[1:]}, target, ()) == {"tools": tools[1:]}


def test_refused_step_of_a_hosted_tool_is_left_out_and_no_other_item() -> None:
    step = {"type": "web_search_call", "id": "ws_1", "action": {"type": "other"}}
    call = {"type": "function_call", "call_id": "c", "name": "a", "arguments": "{}"}
    items = [step, {**step, "id": "ws_2"}, call]
    found = accepted_payload({"input": items}, TARGET, [step_digest(step), step_digest(call)])
    assert found == {"input": items[1:]}


def test_item_of_an_undocumented_type_becomes_a_message() -> None:
    target = replace(TARGET, own_items=False)
    hi = {"type": "message", "role": "user", "content": "hi"}
    agent = {"type": "agent_message", "author": "a", "recipient": "b", "content": "go"}
    told = [{"type": "input_text", "text": "[message from the agent a to b]\ngo"}]
    found = accepted_payload({"input": [hi, agent, {"type": "configuration_update"}]}, target, ())
    assert found == {"input": [hi, {"type": "message", "role": "user", "content": told}]}
    whole = {"input": [hi, agent]}
    assert accepted_payload(whole, TARGET, ()) is whole


def test_only_tools_that_the_client_runs_are_declared() -> None:
    target = replace(TARGET, hosted_tools=False)
    own = [{"type": kind, "name": "a"} for kind in ("function", "custom", "namespace")]
    found = accepted_payload({"tools": [*own, {"type": "web_search"}, "odd"]}, target, ())
    assert found == {"tools": [*own, "odd"]}
    assert accepted_payload({"tools": own}, target, ())["tools"] is own
    assert accepted_payload({"input": "hi"}, target, ()) == {"input": "hi"}
