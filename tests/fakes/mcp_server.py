"""A tiny MCP server on stdio with one tool, `add_one`: JSON-RPC, one message a line.

Protocol: https://modelcontextprotocol.io/specification/2025-06-18. It implements only what a client needs to list and
call one tool. Never does: write anything but answers to its standard output.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

TOOL = {
    "name": "add_one",
    "description": "Add one to a number.",
    "inputSchema": {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    },
    "annotations": {"readOnlyHint": True},
}

Params = dict[str, object]


def initialize(params: Params) -> Params:
    """Accept the protocol version of the client."""
    return {
        "protocolVersion": params.get("protocolVersion", "2025-06-18"),
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "add-one", "version": "1.0.0"},
    }


def call_tool(params: Params) -> Params:
    """Add one to the argument."""
    arguments = params.get("arguments")
    number = arguments["n"] if isinstance(arguments, dict) else 0
    return {"content": [{"type": "text", "text": str(int(number) + 1)}], "isError": False}


METHODS: dict[str, Callable[[Params], Params]] = {
    "initialize": initialize,
    "ping": lambda _: {},
    "tools/list": lambda _: {"tools": [TOOL]},
    "tools/call": call_tool,
}


def answer(message: Params) -> Params | None:
    """Return the answer to a message, None for a notification."""
    if "id" not in message:
        return None
    method = METHODS.get(str(message.get("method")))
    if method is None:
        failure = {"code": -32601, "message": "method not found"}
        return {"jsonrpc": "2.0", "id": message["id"], "error": failure}
    params = message.get("params")
    result = method(params if isinstance(params, dict) else {})
    return {"jsonrpc": "2.0", "id": message["id"], "result": result}


def main() -> None:
    """Serve until standard input ends."""
    for line in sys.stdin:
        reply = answer(json.loads(line))
        if reply is not None:
            sys.stdout.write(json.dumps(reply) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
