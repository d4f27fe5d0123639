"""Turns through the product's Master with users' hooks: what upstreams are sent, and what clients get."""

from __future__ import annotations

import asyncio
import re
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from addons.adapters.hooks import worker
from addons.core.hooks.chain import ON_END, ON_EVENT, ON_TURN, Hook
from addons.hooks import End, Event, Turn
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
    return [
        one.body
        for one in home.backend.requests
        if one.line.startswith(b"POST") and b"/responses" in one.line
    ]


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


BAD_TURNS = {
    "raises ValueError": ("def on_turn(turn):\n    raise ValueError('no')", "line 4): ValueError: no"),
    "exits": ("def on_turn(turn):\n    raise SystemExit", "SystemExit"),
    "returns None": ("def on_turn(turn): turn.replace(model='m')", "it returned NoneType, not the turn, or Refuse"),
    "returns a dict": ("def on_turn(turn): return {'model': 'm'}", "it returned dict, not the turn"),
    "mutates a field": ("def on_turn(turn):\n    turn.model = 'm'\n    return turn", "FrozenInstanceError"),
    "mutates an item": ("def on_turn(turn):\n    turn.fields['stream'] = 1\n    return turn", "does not support item assignment"),
    "changes a fact": ("import dataclasses\ndef on_turn(turn): return dataclasses.replace(turn, thread='t')", "`thread` of a turn cannot be changed"),
    "changes the form": ("def on_turn(turn): return turn.replace(fields=turn.fields | {'stream': False})", "`stream` cannot be changed"),
    "no JSON": ("def on_turn(turn): return turn.replace(input=[{1, 2}])", "it holds what JSON cannot"),
    "no model": ("def on_turn(turn): return turn.replace(model='')", "`model` has to be a text"),
    "hangs": ("def on_turn(turn): time.sleep(3600)", "on_turn (*): it did not return within 0.2 s"),
    "hangs in a coroutine": ("async def on_turn(turn): await asyncio.sleep(3600)", "it did not return within 0.2 s"),
    "refuses": ("def on_turn(turn): return Refuse('not on\\nSundays')", "The hook hook_0.py refused this turn: not on Sundays"),
}  # fmt: skip


async def test_turn_whose_on_turn_fails_is_refused_and_nothing_is_sent(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.log_in()
    monkeypatch.setitem(worker.SECONDS, ON_TURN, 0.2)
    async with serving(home) as proxy, asyncio.timeout(LONGEST):
        for name, (hook, expected) in BAD_TURNS.items():
            use(proxy, home, hook)
            answer = await proxy.post(TURN, CODEX)
            assert types(answer) == ["response.failed"], name
            error = error_of(answer)
            assert error["code"] == "invalid_prompt", name
            message = re.sub(r"\(\S+, line \d+\): it did", "(*): it did", error["message"])
            assert expected in message, (name, message)
            if not name == "refuses":
                assert f"{home.folder}/hook_0.py, line " in error["message"], name
                assert "`codex-shim serve`" in error["message"], name
            async with websocket(proxy.port, CODEX) as socket:
                (by_socket,) = await socket.ask(model="gpt-5.5", input="hi")
            assert by_socket["response"]["error"]["code"] == "invalid_prompt", name
            sdk = await proxy.post(TURN)
            assert sdk.status == (403 if name == "refuses" else 500), name
        assert sent_to(home) == []
        use(proxy, home)
        assert types(await proxy.post(TURN, CODEX)) == ["response.completed"]


BAD_EVENTS = {
    "raises": ("raise ValueError('no')", "ValueError: no"),
    "wrong type": ("return 'text'", "it returned str, not an event"),
    "list of wrong type": ("return [event, 7]", "it returned int, not an event"),
    "drops the end": ("return None", "response.completed ends the answer"),
    "two ends": ("return [event, event]", "response.completed ends the answer"),
    "something behind the end": ("return [event, Event.of('response.x')]", "response.completed ends the answer"),
    "another end": ("return Event.of('response.failed')", "response.completed ends the answer"),
    "no JSON": ("return event.replace(response={1})", "holds what JSON cannot"),
    "hangs": ("time.sleep(3600)", "on_event (*): it did not return within 0.2 s"),
    "refuses": ("return Refuse('enough')", "refused this turn: enough"),
    "early end": ("pass", "it made response.completed of response.created"),
    "early refusal": ("pass", "refused this turn: at once"),
}  # fmt: skip


async def test_turn_whose_on_event_fails_ends_with_one_failure_event(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.log_in()
    monkeypatch.setitem(worker.SECONDS, ON_EVENT, 0.2)
    home.backend.scripts[:] = [answers(native(delta("hi")))] * 50
    early = {"early end": "return Event.of('response.completed')", "early refusal": "return Refuse('at once')"}  # fmt: skip
    async with serving(home) as proxy, asyncio.timeout(LONGEST):
        for name, (at_end, expected) in BAD_EVENTS.items():
            hook = f"""
            def on_event(turn, event):
                if event.type == "response.created":
                    {early.get(name, "return event")}
                if event.is_terminal:
                    {at_end}
                return event
            """
            use(proxy, home, hook)
            answer = await proxy.post(TURN, CODEX)
            passed = [] if name in early else ["response.created", "response.output_text.delta"]
            assert types(answer) == [*passed, "response.failed"], name
            message = re.sub(
                r"\(\S+, line \d+\): it did", "(*): it did", error_of(answer)["message"]
            )
            assert expected in message, (name, message)
            async with websocket(proxy.port, CODEX) as socket:
                by_socket = await socket.ask(model="gpt-5.5", input="hi")
            assert [event["type"] for event in by_socket] == types(answer), name
            sdk = await proxy.post(TURN)
            assert types(sdk) == types(answer), name


WAITS = """
import threading
entered, go, ends = threading.Event(), threading.Event(), []
def wait(turn):
    if turn.thread == "waits":
        entered.set()
        go.wait()
def on_end(turn, end): ends.append(end)
"""
WAITS_IN_TURN = WAITS + "def on_turn(turn):\n    wait(turn)\n    return turn\n"
WAITS_IN_EVENT = WAITS + "def on_event(turn, event):\n    wait(turn)\n    return event\n"
THREAD = b"thread-id: waits"


class Module:
    """The module of the first hook, whose functions wait for the test."""

    def __init__(self, proxy: Running, home: Home, text: str) -> None:
        use(proxy, home, text)
        self._module = sys.modules["codex_shim_hook_0_hook_0"]

    async def entered(self) -> None:
        await asyncio.to_thread(self._module.entered.wait, LONGEST)

    def go(self) -> None:
        self._module.go.set()

    async def ends(self) -> list[End]:
        ends: list[End] = self._module.ends
        while not ends:
            await asyncio.sleep(0)
        return ends


async def test_client_that_leaves_ends_the_turn_whatever_the_hook_does(home: Home) -> None:
    home.log_in()
    left = asyncio.Event()

    async def hangs(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(native()[:-10])
        await exchange.closed()
        left.set()

    home.backend.scripts[:] = [hangs]
    async with serving(home) as proxy, asyncio.timeout(LONGEST):
        for text in (WAITS_IN_TURN, WAITS_IN_EVENT):
            module = Module(proxy, home, text)
            async with client(proxy.port) as c:
                await c.post("/v1/responses", TURN, CODEX, THREAD)
                await module.entered()
                # another turn goes on meanwhile
                assert types(await proxy.post(DEMO, CODEX))[-1] == "response.completed"
                c.abort()
            while proxy.shim.engine.live_turns:
                await asyncio.sleep(0)
            module.go()
            ends = await module.ends()
            while len(ends) < 2:
                await asyncio.sleep(0)
            assert {end.outcome for end in ends} == {"complete", "client_left"}
        await left.wait()
    assert len(sent_to(home)) == 1


async def test_kill_in_mitmproxy_ends_the_turn_with_one_failure_whatever_the_hook_does(
    home: Home,
) -> None:
    home.log_in()
    home.backend.scripts[:] = [answers(native(delta("hi")))]
    async with serving(home) as proxy, asyncio.timeout(LONGEST):
        for text in (WAITS_IN_TURN, WAITS_IN_EVENT):
            module = Module(proxy, home, text)
            async with client(proxy.port) as c:
                await c.post("/v1/responses", TURN, CODEX, THREAD)
                await module.entered()
                (turn,) = proxy.shim.engine._turns.values()
                turn.flow.kill()
                answer = await c.response()
            module.go()
            assert types(answer) == ["response.failed"]
            assert "by hand" in error_of(answer)["message"]
            assert [end.outcome for end in await module.ends()] == ["killed"]


async def test_what_came_before_the_end_of_an_upstream_passes_the_hooks(home: Home) -> None:
    home.log_in()
    whole = native(delta("hi"))
    cut, chat = whole[: whole.index(b"event: response.completed") + 9], ANSWERS_BY_PROTOCOL["chat"]
    resets = asyncio.Event()

    async def ends_hard(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(exchange_body[0])
        exchange.writer.close()
        resets.set()

    exchange_body = [b""]
    home.backend.scripts[:] = [ends_hard]
    async with serving(home) as proxy, asyncio.timeout(LONGEST):
        for sent, last in ((cut, "response.failed"), (whole, "response.completed")):
            exchange_body[0] = sent
            resets.clear()
            module = Module(proxy, home, WAITS_IN_EVENT)
            async with client(proxy.port) as c:
                await c.post("/v1/responses", TURN, CODEX, THREAD)
                await module.entered()
                await resets.wait()
                while proxy.shim.engine.running[0].attempts[-1].outcome == "":
                    await asyncio.sleep(0)
                module.go()
                answer = await c.response()
            assert answer.complete
            assert types(answer) == ["response.created", "response.output_text.delta", last]
            expected = "complete" if last == "response.completed" else "cut"
            assert [end.outcome for end in await module.ends()] == [expected]


async def test_refused_answer_stops_the_upstream_at_once(home: Home) -> None:
    home.log_in()
    left = asyncio.Event()

    async def goes_on(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(native(delta("rm -rf")).partition(b"event: response.completed")[0])
        await exchange.closed()
        left.set()

    home.backend.scripts[:] = [goes_on]
    hook = """
    def on_event(turn, event):
        return Refuse("no") if "rm" in event.data.get("delta", "") else event
    """
    async with serving(home, hook) as proxy, asyncio.timeout(LONGEST):
        answer = await proxy.post(TURN, CODEX)
        await left.wait()
    assert types(answer) == ["response.created", "response.failed"]
    assert b"rm -rf" not in answer.body


async def test_answer_without_a_stream_is_one_event(home: Home) -> None:
    home.log_in()
    text = {"type": "message", "id": "m1", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}  # fmt: skip
    whole = {"id": "r1", "object": "response", "status": "completed", "output": [text]}

    async def says_whole(exchange: Exchange) -> None:
        await exchange.whole(orjson.dumps(whole), b"content-type: application/json")

    hook = """
    def on_event(turn, event):
        assert event.type == "response.completed"
        return event.map_text(str.upper)
    """
    async with upstream(says_whole) as one:
        rows = [
            {"model": slug, "provider": provider, "base_url": f"http://127.0.0.1:{one.port}/v1", "api_key": "k3y"}
            for slug, provider in (("native", "openai-responses"),)
        ]  # fmt: skip
        home.settings.write_bytes(orjson.dumps({"models": rows}))
        async with serving(home, hook) as proxy, asyncio.timeout(LONGEST):
            asked = orjson.dumps({"model": "native", "stream": False, "input": "hi"})
            answer = await proxy.post(asked)
            demo = await proxy.post(orjson.dumps({"model": "shim-demo", "input": "hi"}))
    got = orjson.loads(answer.body)
    assert got["output"][0]["content"][0]["text"] == "HI"
    assert got["status"] == "completed"
    text_of_demo = orjson.loads(demo.body)["output"][-1]["content"][0]["text"]
    assert text_of_demo == text_of_demo.upper() != ""
