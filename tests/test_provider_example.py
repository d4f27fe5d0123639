"""The worked example of docs/add-a-provider.md is a provider, and the page shows it as it is."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from addons.core.credential import Origin
from addons.core.routes import Route
from addons.core.target import Target
from addons.core.translate.conversation import Conversation, Dialects
from addons.core.translate.events import (
    CallKind,
    Event,
    Failed,
    Stopped,
    ToolCallDelta,
    ToolCallStart,
)
from addons.core.translate.reading import read_request
from docs.examples.ollama_native import reader, route, write_request
from tests.conformance import check, parse
from tests.core.providers.rows import Key
from tests.histories import CUSTOM, FUNCTION, NAMESPACE, Item, extensions, request_of, requests
from tests.support.client import client
from tests.support.engine import engine
from tests.support.upstream import Exchange, upstream

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/add-a-provider.md").read_text()
EXAMPLE = (ROOT / "docs/examples/ollama_native.py").read_text()


def target(port: int = 11434) -> Target:
    origin = Origin("http", "127.0.0.1", port)
    return Target("qwen", "Qwen", "ollama-native", "qwen3", Dialects.CHAT, origin, "/api/chat")


def model(port: int) -> Route:
    return route(target(port), Key(()), lambda: "1", lambda: 1_700_000_000.0)


def lines(*objects: object) -> bytes:
    return b"".join(orjson.dumps(each) + b"\n" for each in objects)


def said(content: str = "", **fields: object) -> dict[str, object]:
    return {"message": {"role": "assistant", "content": content, **fields}, "done": False}


def called(name: str) -> dict[str, object]:
    return said(tool_calls=[{"function": {"name": name, "arguments": {"cmd": "ls"}}}])


DONE = {"done": True, "done_reason": "stop", "prompt_eval_count": 7, "eval_count": 3}
STREAMS = [
    lines(said("hel"), said("lo"), DONE),
    lines(said(thinking="hm"), said("a"), called("mcp__srv__add_one"), DONE),
    lines(said("a"), {**DONE, "done_reason": "length"}),
    lines(said("a"), {"error": "out of memory"}),
    lines(said("a")),
    b"<html>",
]


def conversation(payload: dict[str, object]) -> Conversation:
    asked = read_request(payload, target().lineage)
    assert isinstance(asked, Conversation)
    return asked


def read(*reads: bytes) -> list[Event]:
    asked = conversation({"input": "hi", "tools": [FUNCTION, NAMESPACE]})
    reading = reader(asked, target())
    return [*(event for data in reads for event in reading.feed(data)), *reading.finish()]


def test_each_block_of_the_page_is_in_the_example() -> None:
    shown = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(shown) == 3
    assert [block for block in shown if block not in EXAMPLE] == []


def test_each_file_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`((?:addons|tests)/[\w/.]+)`|\]\(([\w/.]+)\)", PAGE))
    paths = [ROOT / inside if inside else ROOT / "docs" / link for inside, link in named]
    assert len(paths) > 6
    assert [path for path in paths if not path.exists()] == []


@given(st.sampled_from(STREAMS), st.lists(st.integers(0, 400), max_size=6))
def test_any_split_gives_the_same_events(stream: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    assert read(*(stream[a:b] for a, b in pairwise(edges))) == read(stream)


@given(st.sampled_from(STREAMS), st.integers(0, 400))
def test_no_cut_passes_for_a_whole_answer(stream: bytes, place: int) -> None:
    *_, last = read(stream[:place])
    assert isinstance(last, Stopped) == (b'"done":true' in stream and place >= len(stream) - 1)
    assert isinstance(last, Stopped | Failed)


@given(st.lists(st.binary(max_size=30) | st.sampled_from(STREAMS), max_size=4))
@example([b"1"])
def test_no_bytes_make_it_raise(reads: list[bytes]) -> None:
    ends = [event for event in read(*reads) if isinstance(event, Stopped | Failed)]
    assert len(ends) == 1


@given(requests())
def test_every_request_is_written(payload: dict[str, object]) -> None:
    body = write_request(conversation(payload), target())
    assert isinstance(body, bytes)
    assert all(message["role"] for message in orjson.loads(body)["messages"])


@given(extensions())
def test_a_history_begins_its_extension(pair: tuple[list[Item], list[Item]]) -> None:
    asked = [write_request(conversation(request_of(items)), target()) for items in pair]
    short, long = (orjson.loads(body)["messages"] for body in asked if isinstance(body, bytes))
    assert long[: len(short)] == short


@pytest.mark.parametrize("stream", STREAMS)
async def test_a_turn_through_the_proxy(stream: bytes) -> None:
    async def says(exchange: Exchange) -> None:
        await exchange.whole(stream, b"content-type: application/x-ndjson")

    async with upstream(says) as up:
        made = model(up.port)
        async with (
            engine(lambda asked: made.make_plan(asked, made)) as proxy,
            client(proxy.port) as c,
        ):
            body = {"model": "qwen", "input": "hi", "stream": True, "tools": [NAMESPACE]}
            await c.post("/v1/responses", orjson.dumps(body), b"originator: codex_exec")
            answer = await c.response()
    check(answer.body)
    last = parse(answer.body)[-1]
    assert last["type"] == ("response.completed" if b'"done":true' in stream else "response.failed")
    if b"add_one" in stream:
        [call] = [item for item in last["response"]["output"] if item["type"] == "function_call"]
        assert (call["namespace"], call["name"]) == ("mcp__srv", "add_one")
        assert last["response"]["usage"]["total_tokens"] == 10


def test_a_patch_is_given_as_its_text_both_ways() -> None:
    patch = "*** Begin Patch\n*** End Patch"
    call: Item = {"type": "custom_tool_call", "call_id": "c", "name": "apply_patch", "input": patch}
    asked = conversation({"input": [{"role": "user", "content": "hi"}, call], "tools": [CUSTOM]})
    body = write_request(asked, target())
    assert isinstance(body, bytes)
    [sent] = orjson.loads(body)["messages"][1]["tool_calls"]
    assert sent["function"]["arguments"] == {"input": patch}
    answer = said(tool_calls=[sent])
    begun, text, *_ = reader(asked, target()).feed(lines(answer, DONE))
    assert begun == ToolCallStart(0, "call_2_0", "apply_patch", None, CallKind.CUSTOM)
    assert text == ToolCallDelta(0, patch)
