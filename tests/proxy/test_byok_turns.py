"""Translated turns over real sockets: what upstreams do, and that no client is ever told more than they said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import orjson
import pytest

from addons.core.credential import Origin, Secret, SecretHeader
from addons.core.limits import Limits
from addons.core.memory import Memory
from addons.core.providers.byok import Byok
from addons.core.providers.fallback import with_fallbacks
from addons.core.providers.native import Native
from addons.core.routes import Route
from addons.core.target import Target
from addons.core.translate import chat, messages
from addons.core.translate.conversation import Dialects
from addons.core.translate.dialect import Dialect
from addons.core.translate.reading import read_request
from addons.core.turn import ClientRequest, Plan
from tests.conformance import check, parse
from tests.proxy.scripts import HEARTBEAT, answer
from tests.support.client import Client, Response, client
from tests.support.engine import QUICK, engine
from tests.support.upstream import Exchange, Script, Upstream, upstream
from tests.support.waiting import within

KEY = b"row-key-5f1e"
CODEX = b"originator: codex_exec"
SDK = b"user-agent: openai-python"
WAIT = "try again in 7s"


def sse(*events: object) -> bytes:
    """Events in the form of both APIs: chat names none, messages names each by its type."""
    lines = []
    for event in events:
        kind = event.get("type") if isinstance(event, dict) else None
        name = b"event: %s\n" % str(kind).encode() if kind else b""
        lines.append(name + b"data: " + orjson.dumps(event) + b"\n\n")
    return b"".join(lines)


def chunk(delta: object = None, finish: str | None = None, **rest: object) -> dict[str, object]:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "choices": [choice], **rest}


def chat_call(arguments: str) -> dict[str, object]:
    function = {"name": "shell", "arguments": arguments}
    return chunk(
        {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]}
    )


def block(index: int, kind: str, **fields: object) -> dict[str, object]:
    content = {"type": kind, **fields}
    return {"type": "content_block_start", "index": index, "content_block": content}


def delta(index: int, kind: str, **fields: object) -> dict[str, object]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def message_end(reason: str) -> tuple[dict[str, object], ...]:
    return (
        {
            "type": "message_delta",
            "delta": {"stop_reason": reason},
            "usage": {"output_tokens": 5},
        },
        {"type": "message_stop"},
    )


START = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": "m",
        "usage": {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 1},
    },
}
HALF_CALL = '{"command": "rm -rf bui'


@dataclass(frozen=True)
class Speech:
    """What an upstream says, in its dialect."""

    dialect: Dialects
    path: str
    text: bytes
    """The beginning of an answer in words."""
    end: bytes
    error: bytes
    call: bytes
    """A tool call that breaks off."""
    whole: bytes
    """A whole answer that is no stream."""


SPEECH = {
    "chat": Speech(
        Dialects.CHAT,
        "/v1/chat/completions",
        sse(chunk({"role": "assistant", "content": "hel"}), chunk({"content": "lo"})),
        sse(
            chunk(finish="stop"),
            {
                **chunk(),
                "choices": [],
                "usage": {
                    "prompt_tokens": 100,
                    "completion_tokens": 5,
                    "total_tokens": 105,
                    "prompt_tokens_details": {"cached_tokens": 90},
                },
            },
        )
        + b"data: [DONE]\n\n",
        sse({"error": {"message": "worn out", "code": 502}}),
        sse(chat_call(HALF_CALL)),
        orjson.dumps(
            {
                "object": "chat.completion",
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": "hello"},
                        "finish_reason": "stop",
                    }
                ],
                "usage": {
                    "prompt_tokens": 100,
                    "completion_tokens": 5,
                    "total_tokens": 105,
                    "prompt_tokens_details": {"cached_tokens": 90},
                },
            }
        ),
    ),
    "messages": Speech(
        Dialects.MESSAGES,
        "/v1/messages",
        sse(
            START,
            block(0, "text", text=""),
            delta(0, "text_delta", text="hel"),
            delta(0, "text_delta", text="lo"),
        ),
        sse({"type": "content_block_stop", "index": 0}, *message_end("end_turn")),
        sse({"type": "error", "error": {"type": "api_error", "message": "worn out"}}),
        sse(
            START,
            block(0, "tool_use", id="toolu_1", name="shell", input={}),
            delta(0, "input_json_delta", partial_json=HALF_CALL),
        ),
        orjson.dumps(
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "m",
                "content": [{"type": "text", "text": "hello"}],
                "stop_reason": "end_turn",
                "usage": {
                    "input_tokens": 10,
                    "cache_read_input_tokens": 90,
                    "output_tokens": 5,
                },
            }
        ),
    ),
}
MODULES = {Dialects.CHAT: chat, Dialects.MESSAGES: messages}


class Key:
    """The row's key, bound to the fake upstream."""

    def __init__(self, origin: Origin) -> None:
        self._headers = (SecretHeader(b"authorization", Secret(KEY), origin, b"Bearer "),)

    def current(self) -> tuple[SecretHeader, ...]:
        return self._headers

    def refused(self) -> None:
        """Nothing to get anew."""


def plans(speech: Speech, port: int) -> Callable[[ClientRequest], Plan]:
    origin = Origin("http", "127.0.0.1", port)
    numbers = iter(range(1000))
    row = Byok(
        target=Target("row", "Row", "fake", "big", speech.dialect, origin, speech.path),
        key=Key(origin),
        dialect=cast("Dialect", MODULES[speech.dialect]),
        read=read_request,
        ids=lambda: f"seed{next(numbers)}",
        clock=lambda: 1_700_000_000.0,
        memory=Memory(),
        limits=QUICK,
    )

    def make(request: ClientRequest) -> Plan:
        return row.plan(request, Route("row", "Row", "fake", "big", {}, row.plan))

    return make


@pytest.fixture(params=list(SPEECH))
def speech(request: pytest.FixtureRequest) -> Speech:
    return SPEECH[request.param]


@asynccontextmanager
async def line(
    speech: Speech, *scripts: Script, limits: Limits = QUICK
) -> AsyncIterator[tuple[Client, Upstream]]:
    async with (
        upstream(*scripts) as up,
        engine(plans(speech, up.port), limits) as proxy,
        client(proxy.port) as c,
    ):
        yield c, up


def body(**fields: object) -> bytes:
    return orjson.dumps({"model": "row", "input": "hi", "stream": True, **fields})


async def ask(c: Client, who: bytes, **fields: object) -> Response:
    await c.post("/v1/responses", body(**fields), who)
    return await c.response()


def says(*parts: bytes) -> Script:
    """A stream of these parts, ended cleanly."""

    async def script(exchange: Exchange) -> None:
        await exchange.sse_head(b"x-request-id: up-1")
        for part in parts:
            await exchange.chunk(part)
        await exchange.end()

    return script


def breaks_off(*parts: bytes) -> Script:
    """A stream of these parts whose connection then ends."""

    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        for part in parts:
            await exchange.chunk(part)
        exchange.writer.close()

    return script


def terminal(response: Response) -> dict[str, Any]:
    assert response.complete
    return check(response.body.replace(HEARTBEAT, b""))


def done_items(response: Response) -> list[str]:
    events = parse(response.body)
    return [
        event["item"]["type"] for event in events if event["type"] == "response.output_item.done"
    ]


EACH_CLIENT = pytest.mark.parametrize("who", [CODEX, SDK])


@EACH_CLIENT
async def test_a_whole_turn(speech: Speech, who: bytes) -> None:
    async with line(speech, says(speech.text, speech.end)) as (c, up):
        response = await ask(c, who)
    last = terminal(response)
    assert last["type"] == "response.completed"
    assert last["response"]["output"][0]["content"][0]["text"] == "hello"
    assert last["response"]["usage"] == {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 90, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 105,
    }
    assert response.header(b"x-request-id") == b"up-1"
    (received,) = up.requests
    assert received.line == b"POST %s HTTP/1.1" % speech.path.encode()
    assert received.header(b"authorization") == b"Bearer " + KEY
    assert received.header(b"originator") is None


@EACH_CLIENT
async def test_a_clean_end_in_the_middle_of_text_is_a_failure(speech: Speech, who: bytes) -> None:
    async with line(speech, says(speech.text)) as (c, _):
        last = terminal(await ask(c, who))
    assert last["type"] == "response.failed"
    assert last["response"]["error"]["code"] == "stream_interrupted"


@EACH_CLIENT
async def test_a_connection_that_ends_in_the_middle_of_text_is_a_failure(
    speech: Speech, who: bytes
) -> None:
    async with line(speech, breaks_off(speech.text)) as (c, up):
        last = terminal(await ask(c, who))
    assert last["response"]["error"]["code"] == "stream_interrupted"
    assert len(up.requests) == 1


@EACH_CLIENT
async def test_an_error_inside_a_200_stream_is_a_failure(speech: Speech, who: bytes) -> None:
    async with line(speech, says(speech.text, speech.error)) as (c, _):
        last = terminal(await ask(c, who))
    assert last["type"] == "response.failed"
    assert "worn out" in last["response"]["error"]["message"]


@EACH_CLIENT
@pytest.mark.parametrize("end", [says, breaks_off])
async def test_half_a_call_is_never_delivered(
    speech: Speech, who: bytes, end: Callable[..., Script]
) -> None:
    async with line(speech, end(speech.call)) as (c, _):
        response = await ask(c, who)
    assert terminal(response)["type"] == "response.failed"
    assert done_items(response) == []


async def test_the_wait_of_a_429_is_kept(speech: Speech) -> None:
    async def too_fast(exchange: Exchange) -> None:
        await exchange.whole(b"{}", b"retry-after: 7", status=b"429 Too Many Requests")

    async with line(speech, too_fast) as (c, up):
        codex, sdk = await ask(c, CODEX), await ask(c, SDK)
    assert WAIT in terminal(codex)["response"]["error"]["message"]
    assert terminal(codex)["response"]["error"]["code"] == "rate_limit_exceeded"
    assert (sdk.status, sdk.header(b"retry-after")) == (429, b"7")
    assert len(up.requests) == 2


async def test_a_refused_key_is_no_401_to_codex(speech: Speech) -> None:
    async with line(speech, answer(b"401 Unauthorized")) as (c, up):
        codex, sdk = await ask(c, CODEX), await ask(c, SDK)
    assert (codex.status, sdk.status) == (200, 401)
    assert terminal(codex)["response"]["error"]["code"] == "invalid_prompt"
    assert KEY not in codex.body + sdk.body
    assert len(up.requests) == 2


@EACH_CLIENT
async def test_trouble_before_the_answer_is_not_noticed(speech: Speech, who: bytes) -> None:
    good = says(speech.text, speech.end)
    async with line(speech, answer(b"503 Busy"), good) as (c, up):
        assert terminal(await ask(c, who))["type"] == "response.completed"
    assert up.requests[0].body == up.requests[1].body


@EACH_CLIENT
async def test_an_answer_that_is_no_stream_is_translated_all_the_same(
    speech: Speech, who: bytes
) -> None:
    async with line(speech, answer(b"200 OK", speech.whole)) as (c, _):
        streamed, whole = await ask(c, who), await ask(c, who, stream=False)
    response = terminal(streamed)["response"]
    assert response["output"][0]["content"][0]["text"] == "hello"
    assert orjson.loads(whole.body)["usage"] == response["usage"]


async def test_the_client_is_answered_before_the_upstream_speaks(speech: Speech) -> None:
    """Codex waits without limit for a head, and shows nothing meanwhile."""
    gate = asyncio.Event()

    async def thinks(exchange: Exchange) -> None:
        await exchange.sse_head()
        await within(gate)
        await exchange.chunk(speech.text + speech.end)
        await exchange.end()

    async with line(speech, thinks) as (c, _):
        await c.post("/v1/responses", body(), CODEX)
        head = await c.head()
        opening = await c.chunk()
        gate.set()
        response = await c.rest(head)
    assert [event["type"] for event in parse(opening)] == [
        "response.created",
        "response.in_progress",
    ]
    response.body = opening + response.body
    assert terminal(response)["type"] == "response.completed"


@EACH_CLIENT
async def test_an_upstream_that_falls_silent_is_told(speech: Speech, who: bytes) -> None:
    async def stalls(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(speech.text)
        await exchange.closed()

    async with line(speech, stalls, limits=replace(QUICK, stall_seconds=1.0)) as (c, _):
        response = await ask(c, who)
    assert HEARTBEAT in response.body
    assert terminal(response)["response"]["error"]["code"] == "upstream_stalled"


async def test_a_turn_without_streaming(speech: Speech) -> None:
    async with line(speech, says(speech.text, speech.end), says(speech.text)) as (c, _):
        good, cut = await ask(c, SDK, stream=False), await ask(c, SDK, stream=False)
    assert orjson.loads(good.body)["status"] == "completed"
    assert (cut.status, orjson.loads(cut.body)["error"]["code"]) == (502, "stream_interrupted")


async def test_what_was_answered_can_be_referred_to(speech: Speech) -> None:
    async with line(speech, says(speech.text, speech.end)) as (c, up):
        first = terminal(await ask(c, SDK))["response"]
        item = {"type": "item_reference", "id": first["output"][0]["id"]}
        again = {"role": "user", "content": "again"}
        chained = await ask(c, SDK, input="again", previous_response_id=first["id"])
        named = await ask(c, SDK, input=[{"role": "user", "content": "hi"}, item, again])
        lost = await ask(c, SDK, previous_response_id="resp_lost")
    assert terminal(chained)["response"]["previous_response_id"] == first["id"]
    assert terminal(named)["type"] == "response.completed"
    assert up.requests[1].body == up.requests[2].body
    assert b"hello" in up.requests[1].body
    assert (lost.status, b"store: false" in lost.body) == (400, True)


async def test_a_redirect_goes_nowhere(speech: Speech) -> None:
    async def elsewhere(exchange: Exchange) -> None:
        location = b"location: http://127.0.0.1:1/x"
        await exchange.whole(b"", location, status=b"307 Temporary Redirect")

    async with line(speech, elsewhere) as (c, up):
        assert (await ask(c, SDK)).status == 502
    assert len(up.requests) == 1


async def test_compaction_both_ways(speech: Speech) -> None:
    async with line(speech, says(speech.text, speech.end)) as (c, _):
        trigger = [{"role": "user", "content": "hi"}, {"type": "compaction_trigger"}]
        streamed = await ask(c, CODEX, input=trigger)
        await c.post("/v1/responses/compact", body(input="hi"), CODEX)
        unary = await c.response()
        (item,) = orjson.loads(unary.body)["output"]
        later = await ask(c, CODEX, input=[item, {"role": "user", "content": "go on"}])
    assert orjson.loads(unary.body)["object"] == "response.compaction"
    assert orjson.loads(unary.body)["usage"]["input_tokens"] == 100
    assert done_items(streamed) == ["compaction"]
    assert parse(streamed.body)[-1]["type"] == "response.completed"
    assert terminal(later)["type"] == "response.completed"


# Native rows and fallbacks ---------------------------------------------------------------------------------------

NATIVE_DONE = (
    b'event: response.completed\ndata: {"type":"response.completed","response":{"id":"r"}}\n\n'
)


def native(port: int) -> Native:
    origin = Origin("http", "127.0.0.1", port)
    target = Target("row", "Row", "fake", "big", Dialects.RESPONSES, origin, "/v1/responses")
    return Native(target=target, key=Key(origin), clock=lambda: 0.0, limits=QUICK)


def native_plans(port: int, *fallbacks: Route) -> Callable[[ClientRequest], Plan]:
    make = with_fallbacks(native(port).plan, lambda: fallbacks)
    route = Route("row", "Row", "fake", "big", {}, make)
    return lambda request: make(request, route)


@EACH_CLIENT
async def test_a_native_turn_passes_byte_for_byte(who: bytes) -> None:
    async with (
        upstream(says(NATIVE_DONE)) as up,
        engine(native_plans(up.port)) as proxy,
        client(proxy.port) as c,
    ):
        response = await ask(c, who)
    assert response.body == NATIVE_DONE
    (received,) = up.requests
    assert received.body == body().replace(b'"row"', b'"big"')
    assert received.header(b"authorization") == b"Bearer " + KEY
    name, _, value = who.partition(b": ")
    assert received.header(name) == value


async def test_a_native_401_stays_one_only_to_other_clients() -> None:
    async with (
        upstream(answer(b"401 Unauthorized", b'{"error":{"message":"no"}}')) as up,
        engine(native_plans(up.port)) as proxy,
        client(proxy.port) as c,
    ):
        codex, sdk = await ask(c, CODEX), await ask(c, SDK)
    assert parse(codex.body)[-1]["response"]["error"]["code"] == "invalid_prompt"
    assert (sdk.status, sdk.body) == (401, b'{"error":{"message":"no"}}')


@EACH_CLIENT
async def test_another_row_answers_and_is_named(speech: Speech, who: bytes) -> None:
    async with (
        upstream(answer(b"429 Too Many Requests")) as busy,
        upstream(says(speech.text, speech.end)) as up,
    ):
        other = plans(speech, up.port)
        second = Route("second", "Second", "fake", "big", {}, lambda request, _: other(request))
        async with engine(native_plans(busy.port, second)) as proxy, client(proxy.port) as c:
            response = await ask(c, who)
    assert terminal(response)["type"] == "response.completed"
    assert response.header(b"x-codex-shim-fallback") == b"row -> second"
    assert (len(busy.requests), len(up.requests)) == (1, 1)
