"""The structure of requests: every name, and no text, id or name of a user's own."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from addons.core.contract.contract import SECTIONS, dumps, merged
from addons.core.contract.structure import SentRequest, catalog_structure, structure_of
from tests.core.contract.requests import PRIVATE, turn

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


def test_each_kind_of_name_is_found() -> None:
    found = structure_of(turn())
    assert found["endpoint"] == {"POST /responses": frozenset()}
    assert found["header"]["POST /responses"] == {
        "originator",
        "x-codex-turn-metadata",
        "x-codex-turn-metadata.turn_id",
    }
    assert found["item"] == {
        "message user": {"type", "role", "content"},
        "message.content input_text": {"type", "text"},
        "function_call": {"type", "name", "arguments", "call_id"},
        "function_call_output": {"type", "call_id", "output"},
        "function_call_output.output input_image": {"type", "image_url"},
        "additional_tools developer": {"type", "role", "tools"},
    }
    assert found["tool"] == {
        "function exec_command": {"cmd", "workdir"},
        "custom exec": {"web__run", "apply_patch"},
        "namespace mcp__…": frozenset(),
        "web_search": {"type", "external_web_access"},
        "namespace functions": frozenset(),
        "function functions.wait": {"cell_id"},
    }


def test_body_keys_are_paths_and_a_header_is_not_described_twice() -> None:
    keys = structure_of(turn())["body key"]["POST /responses"]
    assert {"model", "text.format.type", "text.format.schema", "client_metadata.thread_id"} <= keys
    assert not {key for key in keys if key.startswith(("input.", "tools.", "text.format.schema."))}
    assert "client_metadata.x-codex-turn-metadata.turn_id" not in keys
    # a message of a WebSocket has no headers
    message = SentRequest("WS", "/responses", body=turn().body)
    keys = structure_of(message)["body key"]["WS /responses"]
    assert "client_metadata.x-codex-turn-metadata.turn_id" in keys


def test_no_text_of_the_user_is_kept() -> None:
    contract = dumps(merged("1", [structure_of(turn(prompt_cache_key=PRIVATE))]))
    assert PRIVATE.encode() not in contract
    assert b"private" not in contract


def test_tools_of_the_user_in_the_description_of_scripts_are_not_named() -> None:
    described = "Tools:\n### `web__run`\n### `mcp__private_server__private_tool`\n"
    tool = {"type": "custom", "name": "exec", "description": described}
    assert structure_of(turn(tools=[tool]))["tool"]["custom exec"] == {"web__run", "mcp__…"}


def test_ids_in_paths_are_not_kept() -> None:
    path = "/responses/0199aaaa-0000-7000-8000-00000000abcd/items/12345"
    assert SentRequest("GET", path).endpoint == "GET /responses/ID/items/ID"
    assert SentRequest("GET", "/responses/resp_68af01bc22ef").endpoint == "GET /responses/ID"
    assert (
        SentRequest("POST", "/notes/v2/append_to_file").endpoint == "POST /notes/v2/append_to_file"
    )


@given(st.fixed_dictionaries({}, optional={"input": JSON, "tools": JSON, "text": JSON}) | JSON)
def test_every_body_has_a_structure(body: object) -> None:
    found = structure_of(SentRequest("POST", "/responses", body=orjson.dumps(body)))
    assert set(found) <= set(SECTIONS)
    assert structure_of(SentRequest("POST", "/responses", body=b"{")) is not None


def test_catalog_has_keys_and_slugs() -> None:
    found = catalog_structure(
        b'{"models": [{"slug": "a", "priority": 1}, {"slug": "b", "new": 2}]}'
    )
    assert set(found["catalog key"]) == {"slug", "priority", "new"}
    assert set(found["model"]) == {"a", "b"}
    assert catalog_structure(b"no JSON") == {}
