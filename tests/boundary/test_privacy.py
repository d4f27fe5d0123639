"""The privacy gate with every route: no private value reaches an upstream, and each comes back to the client."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from typing import Any

import orjson

from addons.adapters.system.paths import access_log_file, privacy_key_file
from addons.proxy.master import ListenOptions
from tests.boundary.echoing_models import placeholders_in, repeats, repeats_whole
from tests.boundary.surfaces import Home, listening, running
from tests.boundary.test_both_sockets import setup
from tests.core.privacy.values import CARDS, EMAILS, KEYS, PHONES, RANDOM
from tests.fakes.socket_backend import Frame, SocketBackend
from tests.support.client import client
from tests.support.upstream import Received, upstream
from tests.support.waiting import LONGEST
from tests.support.websocket import websocket

Json = dict[str, Any]
CODEX = (b"originator: codex_exec", b"session-id: thread-1", b"thread-id: thread-1")
PROTOCOLS = {"chat": "generic-chat-completion-api", "messages": "anthropic", "responses": "openai-responses"}  # fmt: skip
TOKENS = [f"{at:02d}{RANDOM}" for at in range(20)]
CANARIES = [
    *KEYS, *(f"{KEYS[0]}{at}" for at in range(12)), *EMAILS, *(f"person{at}@example.com" for at in range(16)),
    *PHONES, *(f"+1 415 555 0{at}" for at in range(110, 118)), *CARDS,
    *(f"4111 1111 {at:04d} {check}" for at, check in ((2, 1110), (3, 1119), (4, 1118), (5, 1117), (6, 1116), (7, 1115), (8, 1114), (9, 1113))),
]  # fmt: skip
"""Private values that are known by their form."""


def _luhn(number: str) -> bool:
    digits = [int(one) for one in number if one.isdecimal()][::-1]
    doubled = [sum(divmod(2 * one, 10)) for one in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


CANARIES = [one for one in CANARIES if one not in CARDS and not one.startswith("4111")] + [
    *CARDS,
    *[
        number
        for last in range(10_000)
        if _luhn(number := f"4111 1111 1111 {last:04d}") and number not in CARDS
    ][:16],
]


def placed(values: list[str]) -> Json:
    """Return a request with these values in every place where text stands."""
    # translated routes leave the reasoning of other models out, so its values stand in a message too
    texts = ["\n".join(values[at::9]) for at in range(9)]
    tokens = "\n".join(f"Authorization: Bearer {one}" for one in TOKENS)
    return {
        "instructions": f"You help.\n{texts[0]}",
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": f"{texts[1]}\n{tokens}"}]},
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": texts[2]}]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": texts[3]}]},
            {"type": "function_call", "call_id": "c1", "name": "shell", "arguments": orjson.dumps({"command": texts[4]}).decode()},
            {"type": "function_call_output", "call_id": "c1", "output": orjson.dumps({"output": texts[5]}).decode()},
            {"type": "custom_tool_call", "call_id": "c2", "name": "exec", "input": texts[6]},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": texts[7]}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": f"Repeat it all.\n{texts[3]}"}]},
        ],
        "tools": [{"type": "function", "name": "shell", "description": texts[8], "parameters": {"type": "object"}},
                  {"type": "custom", "name": "exec", "description": "Run."}],
        "prompt_cache_key": "cache-1",
        "store": False,
    }  # fmt: skip


def settle(home: Home, privacy: object, **rows: Json) -> None:
    models = [
        {"slug": slug, "model": slug, "api_key": "k3y-of-row", **row} for slug, row in rows.items()
    ]
    settings = {"models": models} if privacy is None else {"models": models, "privacy": privacy}
    home.settings.write_bytes(orjson.dumps(settings))


def row(protocol: str, port: int) -> Json:
    return {"provider": PROTOCOLS[protocol], "base_url": f"http://127.0.0.1:{port}/v1"}


def body(model: str, *, stream: bool = True, **more: object) -> bytes:
    return orjson.dumps({"model": model, "stream": stream, **more})


def events(answer: bytes) -> list[Json]:
    return [orjson.loads(one) for one in re.findall(rb"^data: (.*)$", answer, re.MULTILINE)]


def joined(all_events: list[Json], kind: str) -> str:
    return "".join(one["delta"] for one in all_events if one["type"] == f"response.{kind}.delta")


def leaks(requests: list[Received], values: list[str]) -> list[str]:
    sent = b"".join(one.head + one.body for one in requests)
    forms = {value: (value.encode(), orjson.dumps(value)[1:-1]) for value in values}
    return [value for value in values if any(form in sent for form in forms[value])]


def check_answer(all_events: list[Json], values: list[str]) -> None:
    """Every value is in every text of the answer, and nothing of a placeholder is."""
    arguments = [
        joined(all_events, "function_call_arguments"),
        *(
            one["item"]["arguments"]
            for one in all_events
            if one["type"] == "response.output_item.done" and "arguments" in one["item"]
        ),
    ]
    assert len(arguments) >= 2
    reasoning = joined(all_events, "reasoning_summary_text") or joined(all_events, "reasoning_text")
    texts = [joined(all_events, "output_text"), reasoning, *(orjson.loads(one)["command"] for one in arguments)]  # fmt: skip
    for text in texts:
        assert [value for value in values if value not in text] == []
    assert all_events[-1]["type"] == "response.completed"
    assert "masked-" not in str(all_events)


async def test_hundred_private_values_reach_no_upstream_and_come_back(home: Home) -> None:
    home.log_in()
    values = [*CANARIES, *TOKENS]
    assert len(set(values)) >= 100
    request = placed(CANARIES)
    async with AsyncExitStack() as stack:
        rows = {
            name: await stack.enter_async_context(upstream(repeats(name, size)))
            for name, size in {"chat": 1, "messages": 7, "responses": 1}.items()
        }
        home.backend.scripts[:] = [repeats("responses", 1)]
        settle(home, True, **{name: row(name, one.port) for name, one in rows.items()})
        proxy = await stack.enter_async_context(running(home))
        for model in ("gpt-5.5", *rows):
            answer = await proxy.post(body(model, **request), *CODEX)
            check_answer(events(answer.body), values)
        async with websocket(proxy.port, *CODEX) as socket, asyncio.timeout(LONGEST):
            for model in ("gpt-5.5", *rows):
                first = await socket.ask(model=model, **request)
                check_answer(first, values)
            # a frame that holds only what is new: the history that it continues has the values
            previous = first[-1]["response"]["id"]
            again = [{"type": "message", "role": "user", "content": "Again."}]
            more = await socket.ask(
                model=model, previous_response_id=previous, **{**request, "input": again}
            )
            check_answer(more, values)
        sent = {name: list(one.requests) for name, one in rows.items()}
    sent["gpt-5.5"] = [one for one in home.backend.requests if one.line.startswith(b"POST")]
    for name, requests in sent.items():
        assert len(requests) == (3 if name == model else 2), name
        assert leaks(requests, values) == []
        assert len(placeholders_in(requests[0].body)) >= 100
    native = [orjson.loads(one.body) for name in ("gpt-5.5", "responses") for one in sent[name]]
    assert {one["prompt_cache_key"] for one in native} == {"cache-1"}
    # the same thread: one placeholder for a value, whatever the route and the transport
    found = [placeholders_in(one.body) for requests in sent.values() for one in requests]
    assert len({frozenset(one) for one in found}) == 1


async def test_a_socket_of_the_upstream_gets_what_is_new_without_private_values(home: Home) -> None:
    async def repeat(frame: Frame) -> None:
        text = " | ".join(placeholders_in(frame.text.encode()))
        await frame.created()
        for part in (text[at : at + 3] for at in range(0, len(text), 3)):
            await frame.delta(part)
        await frame.completed()

    backend = SocketBackend(answers=[repeat] * 3)
    async with setup(home, backend) as both, asyncio.timeout(LONGEST):
        both.proxy.master.options.update(codex_shim_privacy=True)
        first = await both.ask(f"one {EMAILS[0]}")
        second = await both.ask(f"two {KEYS[0]} {EMAILS[0]}", previous_response_id="resp_1")
        third = await both.ask("three", previous_response_id="resp_2")
    assert joined(first, "output_text") == EMAILS[0]
    assert joined(second, "output_text") == f"{KEYS[0]} | {EMAILS[0]}"
    assert third[-1]["type"] == "response.completed"
    shown = [placeholders_in(orjson.dumps(frame)) for frame in backend.frames]
    assert [len(one) for one in shown] == [1, 2, 0]
    assert shown[1][1] == shown[0][0]
    assert [len(frame["input"]) for frame in backend.frames] == [1, 1, 1]
    assert EMAILS[0] not in str(backend.frames)
    assert (len(backend.upgrades), backend.posts) == (1, [])


async def test_a_history_is_a_prefix_of_its_continuation(home: Home) -> None:
    home.log_in()
    home.backend.scripts[:] = [repeats("responses", 5)]
    settle(home, True)
    request = placed(CANARIES[:20])
    async with running(home) as proxy:
        first = events((await proxy.post(body("gpt-5.5", **request), *CODEX)).body)
    answered = [one["item"] for one in first if one["type"] == "response.output_item.done"]
    longer = {**request, "input": [*request["input"], *answered, {"type": "message", "role": "user", "content": f"And {EMAILS[0]}?"}]}  # fmt: skip
    # a shim that has started again, with the same state folder
    async with running(home) as proxy:
        await proxy.post(body("gpt-5.5", **longer), *CODEX)
        await proxy.post(body("gpt-5.5", **longer), *CODEX[:1], b"session-id: other")
    one, two, other = (
        orjson.loads(r.body) for r in home.backend.requests if b"/responses" in r.line
    )
    assert two["input"][: len(one["input"])] == one["input"]
    assert {name: one[name] for name in one if name != "input"} == {name: two[name] for name in two if name != "input"}  # fmt: skip
    # what the upstream wrote comes back to it as it wrote it
    echo = placeholders_in(orjson.dumps(one))
    assert two["input"][len(one["input"]) + 1]["content"][0]["text"] == " | ".join(echo)
    assert not set(placeholders_in(orjson.dumps(two))) & set(placeholders_in(orjson.dumps(other)))
    mode = privacy_key_file(home.env).stat().st_mode & 0o777
    assert mode == 0o600


async def test_requests_that_are_no_turns_and_whole_answers(home: Home) -> None:
    home.log_in()
    home.backend.scripts[:] = [repeats_whole]
    settle(home, {"phones": False, "patterns": {"ticket": "ACME-[0-9]{4,8}"}})
    async with running(home) as proxy, client(proxy.port) as connection:
        for path in ("/v1/alpha/search", "/v1/images/generations"):
            asked = orjson.dumps(
                {"model": "gpt-5.5", "input": f"{EMAILS[0]} {PHONES[0]} ACME-12345", "id": "s1"}
            )
            await connection.post(path, asked, *CODEX)
            answer = await connection.response()
            assert orjson.loads(answer.body)["output"] == f"{EMAILS[0]} | ACME-12345"
        whole = await proxy.post(body("gpt-5.5", stream=False, input=f"ask {KEYS[0]}"))
        assert orjson.loads(whole.body)["output"] == KEYS[0]
    requests = [one for one in home.backend.requests if one.line.startswith(b"POST")]
    assert leaks(requests, [EMAILS[0], "ACME-12345", KEYS[0]]) == []
    assert PHONES[0].encode() in requests[0].body


async def test_an_option_or_a_variable_switches_it_on_and_headers_are_masked(home: Home) -> None:
    home.log_in()
    home.backend.scripts[:] = [repeats("responses", 9)]
    settle(home, None)
    metadata = orjson.dumps({"thread_id": "t", "workspaces": {f"/home/{EMAILS[0]}": {}}})
    header = b"x-codex-turn-metadata: " + metadata
    async with listening(
        ListenOptions("127.0.0.1", 0, home.settings, privacy=True), home.env
    ) as proxy:
        await proxy.post(body("gpt-5.5", input="hello"), CODEX[0], header)
    async with running(home, CODEX_SHIM_PRIVACY="1") as proxy:
        await proxy.post(body("gpt-5.5", input="hello"), CODEX[0], header)
        proxy.master.options.update(codex_shim_privacy=False)
        await proxy.post(body("gpt-5.5", input="hello"), CODEX[0], header)
    *masked, plain = (one for one in home.backend.requests if b"/responses" in one.line)
    assert len(masked) == 2
    assert leaks(masked, [EMAILS[0]]) == []
    assert orjson.loads(masked[0].header(b"x-codex-turn-metadata") or b"")["thread_id"] == "t"
    assert plain.header(b"x-codex-turn-metadata") == metadata


async def test_a_request_without_private_values_is_the_bytes_that_came(home: Home) -> None:
    home.log_in()
    settle(home, None)
    plain = b'{ "model":"gpt-5.5",  "stream" : true, "input":[], "big": 12345678901234567890123}'
    async with listening(
        ListenOptions("127.0.0.1", 0, home.settings, privacy=True), home.env
    ) as proxy:
        await proxy.post(plain, *CODEX)
    assert [one.body for one in home.backend.requests if b"/responses" in one.line] == [plain]


async def test_a_row_can_be_exempt_but_no_turn_that_another_model_may_answer(home: Home) -> None:
    home.log_in()
    async with upstream(repeats("responses", 9)) as one:
        local = {**row("responses", one.port), "privacy": False}
        cloud = row("responses", one.port)
        settle(home, True, local=local, cloud=cloud, mixed={**local, "fallback": ["cloud"]}, both={**local, "fallback": ["local"]})  # fmt: skip
        async with running(home) as proxy:
            for slug in ("local", "cloud", "mixed", "both"):
                await proxy.post(body(slug, input=EMAILS[0]), *CODEX)
            await proxy.post(
                body("local", input=EMAILS[0]), *CODEX, b"x-openai-subagent: memory_consolidation"
            )
            home.settings.write_bytes(
                home.settings.read_bytes().replace(b'"privacy":true', b'"privacy":false')
            )
            await proxy.post(body("cloud", input=EMAILS[0]), *CODEX)
        shown = [EMAILS[0].encode() in request.body for request in one.requests]
    assert shown == [True, False, False, True, False, True]


async def test_a_gate_that_cannot_do_its_work_lets_nothing_pass(home: Home) -> None:
    home.log_in()
    deep = (
        b'{"model":"gpt-5.5","stream":true,"input":'
        + b'[{"content":' * 300
        + b"1"
        + b"}]" * 300
        + b"}"
    )
    async with running(home) as proxy:
        settle(home, {"emials": True})
        broken = events((await proxy.post(body("gpt-5.5", input=EMAILS[0]), *CODEX)).body)
        settle(home, True)
        nested = events((await proxy.post(deep, *CODEX)).body)
        privacy_key_file(home.env).write_bytes(b"not a key")
    async with running(home) as proxy:
        keyless = events((await proxy.post(body("gpt-5.5", input="hi"), *CODEX)).body)
    texts = [one[-1]["response"]["error"]["message"] for one in (broken, nested, keyless)]
    for text, part in zip(
        texts, ("codex-shim doctor", "nested too deeply", "privacy.key"), strict=True
    ):
        assert part in text
    assert not [one for one in home.backend.requests if b"/responses" in one.line]


async def test_turn_says_how_many_values_were_replaced(home: Home) -> None:
    home.log_in()
    settle(home, True)
    async with running(home) as proxy:
        await proxy.post(body("gpt-5.5", input=f"{EMAILS[0]} {EMAILS[1]} {KEYS[0]}"), *CODEX)
    log = await asyncio.to_thread(access_log_file(home.env).read_bytes)
    (line,) = (orjson.loads(one) for one in log.splitlines())
    assert line["hooks"] == ["privacy gate: email 2, key 1 replaced"]
    assert EMAILS[0].encode() not in log
