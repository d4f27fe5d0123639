"""A shim whose turns have hooks, and what its clients and its upstream get."""

from __future__ import annotations

import re
import textwrap
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import orjson

from addons.proxy.master import ListenOptions
from tests.boundary.row_turns import sse
from tests.boundary.surfaces import Home, Running, listening
from tests.support.client import Response
from tests.support.upstream import Exchange, Script

CODEX = b"originator: codex_exec"


def serving(home: Home, *hooks: str) -> AbstractAsyncContextManager[Running]:
    names = [str(hook_file(home, f"hook_{n}.py", text)) for n, text in enumerate(hooks)]
    return listening(ListenOptions("127.0.0.1", 0, home.settings, hooks=names), home.env)


def hook_file(home: Home, name: str, text: str) -> Path:
    path = home.folder / name
    path.write_text("from addons.hooks import *\nimport asyncio, time\n" + textwrap.dedent(text))
    return path


def use(proxy: Running, home: Home, *hooks: str) -> None:
    """Change the hooks of a running shim, as `:set codex_shim_hook=` does."""
    names = [str(hook_file(home, f"hook_{n}.py", text)) for n, text in enumerate(hooks)]
    proxy.master.options.update(codex_shim_hook=names)


def events(body: bytes) -> list[dict[str, Any]]:
    data = re.findall(rb"^data: (.*)$", body, re.MULTILINE)
    return [event for each in data if (event := orjson.loads(each))["type"] != "response.heartbeat"]


def types(response: Response) -> list[str]:
    return [event["type"] for event in events(response.body)]


def error_of(response: Response) -> dict[str, str]:
    error: dict[str, str] = events(response.body)[-1]["response"]["error"]
    return error


def sent_to(home: Home) -> list[bytes]:
    """Return the bodies of the turns that the backend got."""
    return [
        one.body
        for one in home.backend.requests
        if one.line.startswith(b"POST") and b"/responses" in one.line
    ]


def native(*more: dict[str, Any]) -> bytes:
    created = {"type": "response.created", "response": {"id": "r1"}}
    completed = {"type": "response.completed", "response": {"id": "r1", "output": []}}
    return sse(created, *more, completed)


def answers(body: bytes) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(body)
        await exchange.end()

    return script


def delta(text: str) -> dict[str, Any]:
    return {"type": "response.output_text.delta", "item_id": "m1", "output_index": 0, "content_index": 0, "delta": text}  # fmt: skip


UPPER = """
def on_event(turn, event):
    if event.type == "response.output_text.delta":
        return event.replace(delta=event.data["delta"].upper())
    return event
"""
