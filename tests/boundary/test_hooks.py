"""Turns through the product's Master with users' hooks: what upstreams are sent, and what clients get."""

from __future__ import annotations

import asyncio
import re
import sys

import orjson
import pytest

from addons.adapters.hooks import worker
from addons.core.hooks.chain import ON_EVENT, ON_TURN
from tests.boundary.hook_turns import (
    CODEX,
    UPPER,
    answers,
    delta,
    error_of,
    events,
    native,
    sent_to,
    serving,
    types,
    use,
)
from tests.boundary.row_turns import ANSWERS_BY_PROTOCOL, says
from tests.boundary.surfaces import DEMO, TURN, Home
from tests.boundary.test_both_sockets import setup
from tests.fakes.account import Account
from tests.fakes.socket_backend import SocketBackend
from tests.support.client import client
from tests.support.upstream import Exchange, upstream
from tests.support.waiting import LONGEST, until
from tests.support.websocket import websocket

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


async def test_requests_pass_hooks_in_order_and_answers_in_the_opposite_order(home: Home) -> None:
    home.log_in()
    home.backend.scripts[:] = [answers(native(delta("hi")))] * 2
    async with serving(home, *ORDER) as proxy:
        answer = await proxy.post(TURN, CODEX)
        use(proxy, home)
        plain = await proxy.post(TURN, CODEX)
    assert [orjson.loads(body).get("instructions") for body in sent_to(home)] == ["01", None]
    assert [e["delta"] for e in events(answer.body) if "delta" in e] == ["hi10"]
    assert [e["delta"] for e in events(plain.body) if "delta" in e] == ["hi"]


async def test_privacy_gate_is_nearer_to_the_upstream_than_hooks(home: Home) -> None:
    """It masks what a hook adds to a request, and a hook sees the value in the answer."""
    home.log_in()

    async def repeats(exchange: Exchange) -> None:
        # the list of models is asked for, too
        names = re.findall(r"masked-email-\w+", exchange.request.body.decode())
        await exchange.sse_head()
        await exchange.chunk(native(delta(f"to {''.join(names)}")))
        await exchange.end()

    home.backend.scripts[:] = [repeats]
    rule = "def on_turn(turn): return turn.add_instructions('Write to ada@example.com')\n"
    async with serving(home, rule + UPPER) as proxy:
        proxy.master.options.update(codex_shim_privacy=True)
        answer = await proxy.post(TURN, CODEX)
    assert b"ada@example.com" not in b"".join(sent_to(home))
    assert [e["delta"] for e in events(answer.body) if "delta" in e] == [
        "to ada@example.com".upper()
    ]


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
    "interrupts": ("def on_turn(turn):\n    raise KeyboardInterrupt", "line 4): KeyboardInterrupt"),
    "cancels": ("def on_turn(turn):\n    raise asyncio.CancelledError", "line 4): CancelledError"),
    "exits in a coroutine": ("async def on_turn(turn): raise SystemExit(3)", "line 3): SystemExit: 3"),
    "interrupts in a coroutine": ("async def on_turn(turn): raise KeyboardInterrupt", "line 3): KeyboardInterrupt"),
    "stops the loop": ("async def on_turn(turn):\n    asyncio.get_running_loop().stop()\n    await asyncio.sleep(0)\n    raise ValueError('no')", "line 6): ValueError: no"),
    "exits in a task": ("async def on_turn(turn):\n    asyncio.create_task(ends())\n    await asyncio.sleep(0.01)\n    raise ValueError('no')\nasync def ends(): raise SystemExit", "line 6): ValueError: no"),
    "text of an error fails": ("class Odd(Exception):\n    def __str__(self): return 5\ndef on_turn(turn): raise Odd", "line 5): Odd. The"),
    "text of a reason fails": ("class Odd:\n    def __str__(self): return 5\ndef on_turn(turn): return Refuse(Odd())", "cannot be read: TypeError"),
    "holds itself": ("def on_turn(turn):\n    items = []\n    items.append(items)\n    return turn.replace(input=items)", "cannot be read: RecursionError"),
    "text as input": ("def on_turn(turn): return turn.replace(input='hi')", "`input` has to be a list"),
    "generator as tools": ("def on_turn(turn): return turn.replace(tools=(1 for _ in 'ab'))", "`tools` has to be a list"),
    "key that is no text": ("def on_turn(turn): return turn.replace(fields=turn.fields | {1: 2})", "`fields` has to be a mapping with texts as keys"),
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
            if name != "refuses":
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
    "another type in the data": ("return Event(event.type, event.data | {'type': 'response.x'})", "has the type 'response.x' in its data"),
    "two lines in the type": ("return [Event('response.x\\n\\nevent: error', {}), event]", "has to be a text in one line"),
    "an end without its response": ("return Event.of(event.type)", "has to keep an object as its `response`"),
    "no data": ("return [Event('response.x', None), event]", "the data of response.x has to be a mapping"),
    "holds itself": ("own = {}; own['own'] = own; return event.replace(own=own)", "holds what JSON cannot"),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
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


async def test_edited_turns_go_over_a_websocket_with_their_whole_history(home: Home) -> None:
    backend = SocketBackend()
    rule = "def on_turn(turn): return turn.replace(instructions='RULE')"
    async with setup(home, backend) as both, asyncio.timeout(LONGEST):
        use(both.proxy, home, rule + UPPER)
        first = await both.ask("one")
        await both.ask("two", previous_response_id="resp_1")
        use(both.proxy, home, SAME)
        await both.ask("three", previous_response_id="resp_2")
        warm = await both.ask("warm", generate=False)
    assert [frame.get("instructions") for frame in backend.frames] == ["RULE", "RULE", None]
    assert [len(frame["input"]) for frame in backend.frames] == [1, 2, 1]
    assert "".join(str(event.get("delta", "")) for event in first).isupper()
    assert warm[-1]["type"] == "response.completed"
    assert (len(backend.upgrades), backend.refused) == (1, [])


async def test_compaction_passes_the_hooks(home: Home) -> None:
    chat = ANSWERS_BY_PROTOCOL["chat"]
    hook = """
    seen = []
    def on_turn(turn):
        assert turn.is_compaction
        return turn.add_instructions("RULE")
    def on_event(turn, event):
        seen.append(event.type)
        return event
    """
    async with upstream(says(chat.text, chat.end)) as one:
        row = {"model": "chat", "provider": "generic-chat-completion-api", "base_url": f"http://127.0.0.1:{one.port}/v1", "api_key": "k3y-of-row"}  # fmt: skip
        home.settings.write_bytes(orjson.dumps({"models": [row]}))
        async with serving(home, hook) as proxy, asyncio.timeout(LONGEST), client(proxy.port) as c:
            asked = {
                "model": "chat",
                "input": [{"type": "message", "role": "user", "content": "hi"}],
            }
            await c.post("/v1/responses/compact", orjson.dumps(asked), CODEX)
            answer = await c.response()
            seen = sys.modules["codex_shim_hook_0_hook_0"].seen
    assert answer.status == 200, answer.body
    assert orjson.loads(answer.body)["output"]
    assert b"RULE" in one.requests[0].body
    assert seen == ["response.completed"]


async def test_shutdown_waits_for_the_turn_and_its_hooks(home: Home) -> None:
    home.log_in()
    home.backend.scripts[:] = [answers(native(delta("hi")))]
    hook = """
    ends = []
    def on_event(turn, event):
        time.sleep(0.05)
        return event
    def on_end(turn, end):
        time.sleep(0.5)
        ends.append(end.outcome)
    """
    async with serving(home, hook) as proxy, client(proxy.port) as c:
        await c.post("/v1/responses", TURN, CODEX)
        await until(lambda: sent_to(home))
        proxy.master.shutdown()  # type: ignore[no-untyped-call]
        answer = await c.response()
    assert types(answer)[-1] == "response.completed"
    assert sys.modules["codex_shim_hook_0_hook_0"].ends == ["complete"]


async def test_hooks_and_their_errors_see_no_credential(home: Home) -> None:
    account = Account()
    home.log_in(account)
    token = (account.headers["authorization"] or "").removeprefix("Bearer ")
    home.backend.scripts[:] = [answers(native(delta(f"your token is {token}")))]
    hook = """
    seen = []
    def on_turn(turn):
        seen.append(repr(turn))
        return turn
    def on_event(turn, event):
        seen.append(repr((turn, event)))
        return event
    def on_end(turn, end):
        seen.append(repr((turn, end)))
    """
    secret = b"S3cret-of-a-client-0001"
    headers = (b"authorization: Bearer " + secret, b"cookie: " + secret, b"x-api-key: " + secret)
    async with serving(home, hook) as proxy:
        await proxy.post(TURN, CODEX, *headers)
        await until(lambda: len(sys.modules["codex_shim_hook_0_hook_0"].seen) > 3)
        seen = "".join(sys.modules["codex_shim_hook_0_hook_0"].seen)
    assert "gpt-5.5" in seen
    assert "your token is <" in seen
    assert not [
        one for one in (secret.decode(), token, account.account_id or "none") if one in seen
    ]


async def test_every_attempt_and_fallback_sends_what_the_hooks_returned(home: Home) -> None:
    chat = ANSWERS_BY_PROTOCOL["chat"]

    async def fails(exchange: Exchange) -> None:
        await exchange.whole(b"{}", b"content-type: application/json", status=b"503 Busy")

    hook = """
    calls = []
    def on_turn(turn):
        calls.append(turn.model)
        return turn.add_instructions("RULE")
    """
    async with upstream(fails) as one, upstream(says(chat.text, chat.end)) as two:
        rows = [
            {"model": slug, "provider": "generic-chat-completion-api", "base_url": f"http://127.0.0.1:{up.port}/v1", "api_key": "k3y-of-row", **more}
            for slug, up, more in (("first", one, {"fallback": ["second"]}), ("second", two, {}))
        ]  # fmt: skip
        home.settings.write_bytes(orjson.dumps({"models": rows}))
        async with serving(home, hook) as proxy, asyncio.timeout(LONGEST):
            answer = await proxy.post(TURN.replace(b"gpt-5.5", b"first"), CODEX)
            calls = sys.modules["codex_shim_hook_0_hook_0"].calls
    assert types(answer)[-1] == "response.completed"
    assert len(one.requests) > 1
    assert [b"RULE" in each.body for each in (*one.requests, *two.requests)] == [True] * (
        len(one.requests) + 1
    )
    assert calls == ["first"]
