from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from addons.core.codex.catalog import CURRENT, EVERY_VERSION, Rules, catalog_problems
from addons.core.headers import Headers
from addons.core.limits import Limits
from addons.core.protocols.responses.observer import StreamObserver
from addons.core.providers.demo import DEMO_SLUG, DemoPlan, demo_entry
from addons.core.providers.demo_script import CALL_PREFIX
from addons.core.routes import Route
from addons.core.turn import Answer, ClientRequest, LocalSource, Sink, Step, StreamLocal
from tests.conformance import check, parse

CODEX: Headers = ((b"content-type", b"application/json"), (b"originator", b"codex_exec"))
OTHER: Headers = ((b"content-type", b"application/json"),)
EXEC_COMMAND = {
    "type": "function",
    "name": "exec_command",
    "parameters": {
        "type": "object",
        "properties": {"cmd": {"type": "string"}},
        "required": ["cmd"],
    },
}
OUTPUT = {
    "type": "function_call_output",
    "call_id": f"{CALL_PREFIX}00",
    "output": "-rw-r--r-- 1 me me 0 Nov 23 22:31 marker.txt",
}


def unpaced(chunks: Sequence[bytes]) -> LocalSource:
    async def source(sink: Sink) -> None:
        for chunk in chunks:
            await sink.write(chunk)

    return source


class Collector:
    def __init__(self) -> None:
        self.chunks: list[bytes] = []

    async def write(self, data: bytes) -> None:
        self.chunks.append(data)


def read_step(body: object, headers: Headers = CODEX) -> Step:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    request = ClientRequest("POST", "/v1/responses", headers, raw)

    def make_plan(request: ClientRequest, route: Route) -> DemoPlan:
        return DemoPlan(request, route, unpaced, "0a", 7, Limits())

    route = Route(DEMO_SLUG, "demo", "demo", DEMO_SLUG, demo_entry(), make_plan)
    return make_plan(request, route).start()


def payload_with(**fields: object) -> dict[str, object]:
    return {"model": DEMO_SLUG, "stream": True, "input": "hi", **fields}


def chunks_of(body: object, headers: Headers = CODEX) -> list[bytes]:
    step = read_step(body, headers)
    assert isinstance(step, StreamLocal)
    assert step.head.status == 200
    assert step.head.header(b"content-type") == b"text/event-stream"
    collector = Collector()
    asyncio.run(_drain(step.source, collector))
    for chunk in collector.chunks:
        assert step.translator.feed(chunk) is chunk
    assert step.translator.finish() == b""
    assert isinstance(step.translator, StreamObserver)
    assert step.translator.usage
    return collector.chunks


async def _drain(source: LocalSource, sink: Sink) -> None:
    await source(sink)


def response_of(body: object, headers: Headers = CODEX) -> dict[str, Any]:
    response = check(b"".join(chunks_of(body, headers)))["response"]
    assert isinstance(response, dict)
    return response


def text_of(response: dict[str, Any]) -> str:
    (message,) = [item for item in response["output"] if item["type"] == "message"]
    text = message["content"][0]["text"]
    assert isinstance(text, str)
    return text


def test_client_without_a_shell_gets_the_welcome() -> None:
    response = response_of(payload_with())
    assert response["status"] == "completed"
    assert response["model"] == DEMO_SLUG
    assert response["created_at"] == 7
    assert "codex login" in text_of(response)
    assert "`codex-shim add`" in text_of(response)


def test_text_is_streamed_word_by_word() -> None:
    chunks = chunks_of(payload_with())
    deltas = [e["delta"] for e in parse(b"".join(chunks)) if e["type"].endswith("text.delta")]
    assert len(deltas) > 40
    assert len(chunks) > len(deltas)
    assert all(len(delta.split()) == 1 for delta in deltas)


@pytest.mark.parametrize(
    "client_input", ["hi", [{"type": "message", "role": "user", "content": "hi"}]]
)
def test_client_with_a_shell_gets_a_listing_call(client_input: object) -> None:
    message, call = response_of(payload_with(input=client_input, tools=[EXEC_COMMAND]))["output"]
    assert message["type"] == "message"
    assert call["type"] == "function_call"
    assert call["name"] == "exec_command"
    assert call["call_id"] == f"{CALL_PREFIX}0a"
    assert orjson.loads(call["arguments"]) == {"cmd": "ls -la"}


def test_local_shell_gets_a_local_shell_call() -> None:
    _, call = response_of(payload_with(tools=[{"type": "local_shell"}]))["output"]
    assert call["type"] == "local_shell_call"


def test_output_of_its_call_gets_text_and_no_second_call() -> None:
    history = [{"type": "message", "role": "user", "content": "hi"}, OUTPUT]
    response = response_of(payload_with(input=history, tools=[EXEC_COMMAND]))
    assert [item["type"] for item in response["output"]] == ["message"]
    assert "1 entry here: `marker.txt`" in text_of(response)


def test_new_prompt_after_a_call_gets_a_new_call() -> None:
    history = [OUTPUT, {"type": "message", "role": "user", "content": "again"}]
    response = response_of(payload_with(input=history, tools=[EXEC_COMMAND]))
    assert response["output"][-1]["type"] == "function_call"


def test_usage_is_estimated_from_request_and_text() -> None:
    body = payload_with(input="x" * 4000)
    usage = response_of(body)["usage"]
    assert usage["input_tokens"] == len(orjson.dumps(body)) // 4
    assert usage["output_tokens"] > 50
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


@pytest.mark.parametrize("stream", [False, None])
def test_client_without_stream_gets_the_whole_response(stream: object) -> None:
    step = read_step(payload_with(stream=stream), OTHER)
    assert isinstance(step, Answer)
    assert step.reply.head.status == 200
    assert step.reply.head.header(b"content-type") == b"application/json"
    response = orjson.loads(step.reply.body)
    assert response["status"] == "completed"
    assert response["usage"]["total_tokens"] > 0
    assert text_of(response) == text_of(response_of(payload_with()))


def test_response_repeats_the_request() -> None:
    response = response_of(payload_with(tools=[EXEC_COMMAND], instructions="be kind"))
    assert response["tools"] == [EXEC_COMMAND]
    assert response["instructions"] == "be kind"


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"{", "JSON"),
        (b"[]", "object"),
        ({"input": "no model"}, "model"),
        (payload_with(input=None), "`input`"),
        (payload_with(input=7), "`input`"),
        (payload_with(input=["text"]), "`input`"),
        (payload_with(tools={}), "`tools`"),
        (payload_with(tools=["shell"]), "`tools`"),
        (payload_with(stream="yes"), "`stream`"),
    ],
)
def test_unreadable_request_is_rejected(body: object, part: str) -> None:
    plain = read_step(body, OTHER)
    assert isinstance(plain, Answer)
    assert plain.reply.head.status == 400
    error = orjson.loads(plain.reply.body)["error"]
    assert part in error["message"]
    assert error["code"] == "invalid_prompt"
    to_codex = read_step(body, CODEX)
    assert isinstance(to_codex, Answer)
    assert to_codex.reply.head.status == 200
    assert b"response.failed" in to_codex.reply.body


def test_encoded_body_is_read_up_to_the_limit() -> None:
    body = zlib.compress(orjson.dumps(payload_with()))
    assert response_of(body, (*CODEX, (b"content-encoding", b"deflate")))["status"] == "completed"


@pytest.mark.parametrize("rules", [CURRENT, EVERY_VERSION])
def test_catalog_entry_is_valid_for_codex(rules: Rules) -> None:
    assert catalog_problems({"models": [demo_entry()]}, rules) == []
    assert demo_entry()["slug"] == DEMO_SLUG
    facts = {
        "default_reasoning_level": "low", "shell_type": "shell_command", "visibility": "list", "supported_in_api": True,
        "supports_reasoning_summaries": False, "default_reasoning_summary": "none", "support_verbosity": False,
        "apply_patch_tool_type": None, "supports_parallel_tool_calls": False, "input_modalities": ["text"],
        "supports_search_tool": False, "experimental_supported_tools": [], "tool_mode": "direct",
    }  # fmt: skip
    assert {name: demo_entry()[name] for name in facts} == facts
