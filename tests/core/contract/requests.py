"""A request with every kind of structure, and with texts that no contract may hold."""

from __future__ import annotations

import orjson

from addons.core.contract.structure import SentRequest

PRIVATE = "the-user's-own-text"


def turn(**changes: object) -> SentRequest:
    """Return a turn. `changes` are keys of its body."""
    body: dict[str, object] = {
        "model": PRIVATE,
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": PRIVATE}]},
            {"type": "function_call", "name": PRIVATE, "arguments": f'{{"{PRIVATE}": 1}}', "call_id": PRIVATE},
            {"type": "function_call_output", "call_id": PRIVATE, "output": [{"type": "input_image", "image_url": PRIVATE}]},
            {"type": "additional_tools", "role": "developer", "tools": [_namespace("functions", _tool("wait", "cell_id"))]},
        ],
        "tools": [
            _tool("exec_command", "cmd", "workdir"),
            {"type": "custom", "name": "exec", "description": "Tools:\n### `web__run`\nSearch.\n### `apply_patch`\n"},
            _namespace("mcp__private_server", _tool("private_tool", "private_parameter")),
            {"type": "web_search", "external_web_access": True},
        ],
        "text": {"format": {"type": "json_schema", "schema": {"properties": {"private_key": {}}}}},
        "client_metadata": {"thread_id": PRIVATE, "x-codex-turn-metadata": f'{{"turn_id": "{PRIVATE}"}}'},
        **changes,
    }  # fmt: skip
    headers = {"originator": "codex_exec", "x-codex-turn-metadata": '{"turn_id": "1"}'}
    return SentRequest("POST", "/responses", (), headers, orjson.dumps(body))


def _tool(name: str, *parameters: str) -> dict[str, object]:
    properties = {key: {"type": "string"} for key in parameters}
    return {"type": "function", "name": name, "parameters": {"properties": properties}}


def _namespace(name: str, *tools: object) -> dict[str, object]:
    return {"type": "namespace", "name": name, "tools": list(tools)}
