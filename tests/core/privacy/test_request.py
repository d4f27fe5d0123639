"""The texts of a request are masked, and what is no text stays as it is."""

from __future__ import annotations

import orjson

from addons.core.privacy.request import TextWalk, masked_body
from addons.core.privacy.restorer import Restorer
from addons.core.protocols.responses.compaction import compaction_item, read_compaction
from tests.core.privacy.values import EMAILS, RANDOM, masker

VALUE = EMAILS[0]
BODY: dict[str, object] = {
    "model": VALUE, "prompt_cache_key": VALUE, "previous_response_id": VALUE, "user": VALUE,
    "metadata": {"name": VALUE, "id": VALUE}, "instructions": VALUE,
    "input": [
        {"type": "message", "role": "user", "id": VALUE, "content": [
            {"type": "input_text", "text": VALUE}, {"type": "input_image", "image_url": f"data:{VALUE}"},
            {"type": "input_file", "file_data": VALUE, "filename": VALUE},
        ]},
        {"type": "message", "role": "developer", "content": VALUE},
        {"type": "reasoning", "id": VALUE, "encrypted_content": VALUE, "summary": [{"type": "summary_text", "text": VALUE}],
         "content": [{"type": "reasoning_text", "text": VALUE}]},
        {"type": "function_call", "call_id": VALUE, "name": VALUE, "arguments": orjson.dumps({"a": VALUE}).decode()},
        {"type": "function_call_output", "call_id": VALUE, "output": VALUE},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": VALUE}]},
        {"type": "custom_tool_call", "name": "exec", "call_id": "c", "input": VALUE},
        {"type": "custom_tool_call_output", "call_id": "c", "output": VALUE},
        {"type": "local_shell_call", "action": {"type": "exec", "command": ["echo", VALUE], "env": {"name": VALUE}}},
        {"type": "image_generation_call", "result": VALUE, "revised_prompt": VALUE},
        {"type": "tool_search_call", "name": VALUE, "arguments": {"name": VALUE, "id": [VALUE]}},
        {"type": "web_search_call", "action": {"type": "search", "query": VALUE}},
    ],
    "tools": [
        {"type": "function", "name": VALUE, "description": VALUE, "parameters": {"properties": {"a": {"enum": [VALUE]}}}},
        {"type": "mcp", "server_url": VALUE, "headers": {"Authorization": VALUE}, "authorization": VALUE},
    ],
}  # fmt: skip


def _count(value: object) -> int:
    return orjson.dumps(value).count(VALUE.encode())


def test_texts_are_masked_and_structure_is_not() -> None:
    using = masker()
    masked = masked_body(BODY, using)
    kept = {"model", "prompt_cache_key", "previous_response_id"}
    assert {name for name in BODY if _count(masked[name])} == kept | {"input", "tools"}
    items = masked["input"]
    assert isinstance(items, list)
    assert [_count(item) for item in items] == [3, 0, 2, 2, 1, 0, 0, 0, 0, 1, 1, 0]
    tools = masked["tools"]
    assert isinstance(tools, list)
    assert [_count(tool) for tool in tools] == [1, 3]
    assert list(masked) == list(BODY)
    assert orjson.loads(items[3]["arguments"]) == {"a": using.known[VALUE]}


def test_whole_body_comes_back() -> None:
    using = masker()
    masked = masked_body(BODY, using)
    restorer = Restorer(using.codes.get)
    assert TextWalk(restorer.text, restorer.json_text).body(masked) == BODY


def test_body_without_a_value_is_the_same_object() -> None:
    body: dict[str, object] = {
        "input": [{"type": "message", "content": "hello there"}],
        "tools": [],
    }
    assert masked_body(body, masker()) is body


def test_tools_are_masked_before_the_history_wherever_they_stand() -> None:
    """What a later turn says must not change how they are masked: they precede it in the prompt."""
    token = f"{RANDOM}{RANDOM}"
    # only what stands before a token says that it is one
    tool = {"type": "function", "name": "a", "description": f"xx{token}yy"}
    first = masked_body({"input": "hello", "tools": [tool]}, masker())
    second = masked_body({"input": f"Bearer {token}", "tools": [tool]}, masker())
    assert second["input"] != f"Bearer {token}"
    assert first["tools"] == second["tools"]


def test_summary_of_a_compaction_is_masked_inside_of_its_blob() -> None:
    using = masker()
    item = compaction_item(f"Ask {VALUE}.", "cmp_1")
    masked = masked_body({"input": [item]}, using)
    items = masked["input"]
    assert isinstance(items, list)
    summary = read_compaction(items[0]) or ""
    assert VALUE not in summary
    assert using.known[VALUE] in summary
    restorer = Restorer(using.codes.get)
    assert TextWalk(restorer.text, restorer.json_text).body(masked)["input"] == [item]
