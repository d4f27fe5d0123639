"""Turns through the product's Master with users' hooks: what upstreams are sent, and what clients get."""

from __future__ import annotations

import asyncio
import re
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from addons.adapters.hooks import worker
from addons.core.hooks.chain import ON_END, ON_EVENT, ON_TURN, Hook
from addons.hooks import Event, Turn
from addons.proxy.master import ListenOptions, ShimMaster, StartError
from tests.boundary.row_turns import ANSWERS_BY_PROTOCOL, breaks_off, says, sse
from tests.boundary.surfaces import DEMO, TURN, Home, Running
from tests.support.client import Response, client
from tests.support.upstream import Exchange, upstream
from tests.support.waiting import LONGEST
from tests.support.websocket import websocket

CODEX = b"originator: codex_exec"


@asynccontextmanager
async def serving(home: Home, *hooks: str) -> AsyncIterator[Running]:
    ready = asyncio.Event()
    names = [str(hook_file(home, f"hook_{n}.py", text)) for n, text in enumerate(hooks)]
    listen = ListenOptions("127.0.0.1", 0, home.settings, hooks=names)
    master = ShimMaster(listen, lambda _: ready.set(), home.env)
    task = asyncio.create_task(master.run())  # noqa: TID251, RUF100  awaited below
    await ready.wait()
    try:
        yield Running(master)
    finally:
        master.shutdown()  # type: ignore[no-untyped-call]
        await task


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
    return [one.body for one in home.backend.requests if one.line.startswith(b"POST") and b"/responses" in one.line]


def native(*more: dict[str, Any]) -> bytes:
    created = {"type": "response.created", "response": {"id": "r1"}}
    completed = {"type": "response.completed", "response": {"id": "r1", "output": []}}
    return sse(created, *more, completed)


def answers(body: bytes) -> Any:
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
SAME = "def on_turn(turn): return turn\nasync def on_event(turn, event): return event\n"


async def test_unedited_turn_and_answer_are_the_bytes_that_came(home: Home) -> None:
    home.log_in()
    body = b'{ "model":"gpt-5.5",  "stream" : true, "input":[], "big": 12345678901234567890123}'
    answer = b": comment\n\n" + native(delta("hi")) 
    home.backend.scripts[:] = [answers(answer)] * 2
    async with serving(home, SAME) as proxy:
        got = await proxy.post(body, CODEX)
        assert got.body == answer
        assert sent_to(home) == [body]


async def test_edits_reach_every_route_and_the_client(home: Home) -> None:
    home.log_in()
    chat = ANSWERS_BY_PROTOCOL["chat"]
    home.backend.scripts[:] = [answers(native(delta("hi")))] * 3
    rule = 'def on_turn(turn): return turn.replace(instructions=turn.instructions + "RULE")'
    async with upstream(says(chat.text, chat.end)) as one:
        row = {"model": "chat", "provider": "generic-chat-completion-api", "base_url": f"http://127.0.0.1:{one.port}/v1", "api_key": "k3y-of-row"}  # fmt: skip
        home.settings.write_bytes(orjson.dumps({"models": [row]}))
        async with serving(home, rule + UPPER) as proxy, asyncio.timeout(LONGEST):
            first = await proxy.post(TURN, CODEX)
            second = await proxy.post(TURN.replace(b"gpt-5.5", b"chat"), CODEX)
            third = await proxy.post(DEMO, CODEX)
            async with websocket(proxy.port, CODEX) as socket:
                fourth = await socket.ask(model="gpt-5.5", input="by socket")
                fifth = await socket.ask(model="chat", input="by socket")
        assert b"RULE" in one.requests[0].body
        assert b"RULE" in one.requests[1].body
    assert [b"RULE" in body for body in sent_to(home)] == [True, True]
    assert [e["delta"] for e in events(first.body) if "delta" in e] == ["HI"]
    assert "HELLO" in "".join(e["delta"] for e in events(second.body) if "delta" in e)
    assert [e["delta"] for e in fourth if "delta" in e] == ["HI"]
    assert "HELLO" in "".join(e["delta"] for e in fifth if "delta" in e)
    assert types(third)[-1] == "response.completed"
    text = "".join(e["delta"] for e in events(third.body) if e["type"].endswith("text.delta"))
    assert text == text.upper() != ""


async def test_hooks_of_the_program_are_nearest_to_the_upstream(home: Home) -> None:
    home.log_in()
    home.backend.scripts[:] = [answers(native(delta("hi")))] * 4
    seen: list[str] = []

    def mask(turn: Turn) -> Turn:
        turn.state["seen"] = turn.instructions
        return turn.replace(instructions=turn.instructions + "B")

    def unmask(turn: Turn, event: Event) -> Event:
        seen.append(event.type)
        return event.replace(delta="from B") if "delta" in event.data else event

    built_in = Hook("gate", on_turn=mask, on_event=unmask)
    async with serving(home, *ORDER) as proxy:
        proxy.shim.parts.use_built_in_hooks([built_in])
        answer = await proxy.post(TURN, CODEX)
        use(proxy, home)
        alone = await proxy.post(TURN, CODEX)
        proxy.shim.parts.use_built_in_hooks([])
        plain = await proxy.post(TURN, CODEX)
    assert [orjson.loads(body).get("instructions") for body in sent_to(home)] == ["01B", "B", None]
    assert [e["delta"] for e in events(answer.body) if "delta" in e] == ["from B10"]
    assert [e["delta"] for e in events(alone.body) if "delta" in e] == ["from B"]
    assert [e["delta"] for e in events(plain.body) if "delta" in e] == ["hi"]
    assert seen == ["response.created", "response.output_text.delta", "response.completed"] * 2


ORDER = [
    f"""
    def on_turn(turn):
        return turn.replace(instructions=turn.instructions + "{n}")
    def on_event(turn, event):
        if "delta" in event.data:
            return event.replace(delta=event.data["delta"] + "{n}")
        return event
    """
    for n in range(2)
]
