"""Runs a case: a row of models.json, a small strict server on loopback, and the turns of a thread as Codex sends them.

The server refuses what the reported server refuses, in its words, and beyond that whatever `tests/strict` finds wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from _pytest.mark.structures import ParameterSet

from addons.adapters.row_routes import RowRoutes
from addons.core.routes import Route
from addons.core.settings.models_file import parse_models
from addons.core.turn import ClientRequest, Plan
from tests.boundary.row_turns import CODEX, START, block, chunk, delta, message_end, sse, terminal
from tests.conformance import parse
from tests.e2e.installation import VERSION
from tests.strict.chat import validate as chat_faults
from tests.strict.messages import validate as message_faults
from tests.support.client import client
from tests.support.engine import QUICK, engine
from tests.support.upstream import Exchange, Received, upstream

Body = dict[str, Any]
LIMITS = replace(QUICK, heartbeat_seconds=30)
DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
RESPONSE: dict[str, Any] = {
    "id": "resp_1", "object": "response", "created_at": 1, "model": "m", "tools": [], "tool_choice": "auto", "parallel_tool_calls": True,
    "text": {}, "instructions": None, "temperature": None, "metadata": {}, "error": None, "incomplete_details": None,
    "usage": {"input_tokens": 10, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0}, "output_tokens": 2,
              "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 12},
}  # fmt: skip
KEY = "key-of-the-row-1234"


@dataclass(frozen=True)
class Refuses:
    """What the server refuses, and with which body."""

    when: Callable[[Body, Received], bool]
    refusal: Any
    status: int = 400


@dataclass(frozen=True)
class Hangs:
    """An answer after which the server keeps the connection open and sends comments."""

    data: bytes


@dataclass(frozen=True)
class Whole:
    """An answer that is no stream, or has another status."""

    data: bytes
    status: int = 200
    kind: bytes = b"application/json"


Reply = bytes | Hangs | Whole
ScriptedReply = Reply | Callable[[Body], Reply]
"""What a server answers; a function answers to the body."""


@dataclass(frozen=True)
class Case:
    """One report."""

    id: str
    row: Mapping[str, Any]
    turns: tuple[Mapping[str, Any], ...] = ({},)
    """Fields of each request. `add` are the items that a turn adds to the thread; a call is answered with `done`."""
    answers: tuple[ScriptedReply, ...] = ()
    """What the server says to the requests that it accepts, in order; the last one repeats."""
    refuses: tuple[Refuses, ...] = ()
    refused: int | None = 0
    """How many requests the server has refused when the thread ends. None: at most one."""
    requests: int | None = None
    """How many requests arrived. Default: one a turn, and the refused ones."""
    code: str = ""
    """The error code of the last turn; empty if it completed."""
    words: tuple[str, ...] = ()
    """What stands in the error message of the last turn."""
    no_words: tuple[str, ...] = ()
    text: str | None = None
    """The text of the last answer."""
    reasoning: str | None = None
    calls: tuple[tuple[str, Any], ...] | None = None
    """Names and arguments of the last answer's calls: parsed where they are JSON, else the text itself."""
    usage: Mapping[str, int] = field(default_factory=dict)
    sent: Callable[[list[Body]], bool] | None = None
    """Judges the accepted bodies."""
    heads: Callable[[list[Received]], bool] | None = None
    strict: Mapping[str, Any] = field(default_factory=dict)
    """Flags of `tests.strict.chat.validate`."""
    entry: Callable[[Mapping[str, Any]], bool] | None = None
    """Judges the row's catalog entry after the thread."""
    client_version: str = VERSION
    """The version of Codex that the entry is made for."""
    remains: str = ""
    """Why the outcome is not right yet."""


@dataclass
class Server:
    """The server of a case."""

    case: Case
    accepted: list[Body] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    refused: int = 0

    async def __call__(self, exchange: Exchange) -> None:
        body: Body = orjson.loads(exchange.request.body)
        self.received.append(exchange.request)
        for rule in self.case.refuses:
            if rule.when(body, exchange.request):
                self.refused += 1
                body_sent = (
                    rule.refusal if isinstance(rule.refusal, bytes) else orjson.dumps(rule.refusal)
                )
                await self._whole(exchange, Whole(body_sent, rule.status))
                return
        self.faults += self._faults(body, exchange.request)
        answers = self.case.answers or (self._default(exchange.request),)
        chosen = answers[min(len(self.accepted), len(answers) - 1)]
        answer = chosen(body) if callable(chosen) else chosen
        self.accepted.append(body)
        if isinstance(answer, Whole):
            await self._whole(exchange, answer)
            return
        await exchange.sse_head()
        await exchange.chunk(answer.data if isinstance(answer, Hangs) else answer)
        if isinstance(answer, Hangs):
            await exchange.closed()
        else:
            await exchange.end()

    async def _whole(self, exchange: Exchange, answer: Whole) -> None:
        await exchange.whole(
            answer.data, b"content-type: " + answer.kind, status=b"%d Said" % answer.status
        )

    def _faults(self, body: Body, request: Received) -> list[str]:
        if b"/messages" in request.line:
            return message_faults(body)
        return chat_faults(body, **self.case.strict) if b"/chat/" in request.line else []

    @staticmethod
    def _default(request: Received) -> bytes:
        if b"/messages" in request.line:
            return message_text("ok")
        return responses_text("ok") if b"/responses" in request.line else chat_text("ok")


@dataclass
class Run:
    """What happened."""

    server: Server
    last: dict[str, Any]
    events: list[dict[str, Any]]
    entry: Mapping[str, Any]

    def items(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.last["response"]["output"] if one["type"] == kind]

    @property
    def text(self) -> str:
        return "".join(part["text"] for one in self.items("message") for part in one["content"])

    @property
    def reasoning(self) -> str:
        return "".join(part["text"] for one in self.items("reasoning") for part in one["summary"])

    @property
    def calls(self) -> tuple[tuple[str, Any], ...]:
        return tuple(
            (one["name"], _parsed(one["arguments"])) for one in self.items("function_call")
        )


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def params(cases: Iterable[Case]) -> list[ParameterSet]:
    """Return the cases for `pytest.mark.parametrize`, with the names of their reports."""
    return [
        pytest.param(
            case,
            id=case.id,
            marks=pytest.mark.xfail(strict=True, reason=case.remains) if case.remains else (),
        )
        for case in cases
    ]


async def run(case: Case, folder: Path) -> Run:
    """Run the turns of a case."""
    server = Server(case)
    async with upstream(server) as up:
        row = {
            "slug": "row",
            "api_key": KEY,
            "base_url": f"http://127.0.0.1:{up.port}/v1",
            **case.row,
        }
        rows = parse_models(orjson.dumps([row]), "models.json")
        table: dict[str, Route] = {}
        routes = RowRoutes({"CODEX_SHIM_STATE_DIR": str(folder)}, folder, table.get)
        table.update((one.slug, one) for one in routes.routes(rows, LIMITS))
        assert not table["row"].unavailable_reason

        def plan(request: ClientRequest) -> Plan:
            route = table["row"]
            return route.make_plan(request, route)

        history: list[dict[str, Any]] = []
        last: dict[str, Any] = {}
        events: list[dict[str, Any]] = []
        async with engine(plan, LIMITS) as proxy, client(proxy.port) as c:
            for turn in case.turns:
                fields = dict(turn)
                history += fields.pop("add", [user("go")])
                body = {"model": "row", "stream": True, "store": False, **CODEX_FIELDS, **fields}
                body = {name: value for name, value in body.items() if value is not None}
                await c.post("/v1/responses", orjson.dumps({**body, "input": history}), CODEX)
                response = await c.response()
                last, events = terminal(response), parse(response.body)
                output = last["response"]["output"]
                history += output
                history += [result(one["call_id"]) for one in output if "call_id" in one]
        entry = routes.routes(rows, LIMITS)[0].entry_for(case.client_version)
    return Run(server, last, events, entry)


def judge(case: Case, done: Run) -> None:
    """Compare what happened with the right outcome."""
    server, response = done.server, done.last["response"]
    shown = orjson.dumps(server.accepted[-1:], option=orjson.OPT_INDENT_2).decode()[:4000]
    assert not server.faults, (server.faults, shown)
    error = response["error"] or {}
    assert error.get("code", "") == case.code, (error, shown)
    assert done.last["type"] == ("response.failed" if case.code else "response.completed")
    for words in case.words:
        assert words in error["message"], error["message"]
    for words in case.no_words:
        assert words not in error["message"], error["message"]
    refused = min(server.refused, 1) if case.refused is None else case.refused
    assert server.refused == refused, shown
    count = len(case.turns) + refused if case.requests is None else case.requests
    assert len(server.received) == count
    _judge_answer(case, done)
    if case.sent:
        assert case.sent(server.accepted), shown
    if case.heads:
        assert case.heads(server.received), [one.head for one in server.received]
    if case.entry:
        assert case.entry(done.entry), done.entry


def _judge_answer(case: Case, done: Run) -> None:
    if case.text is not None:
        assert done.text == case.text
    if case.reasoning is not None:
        assert done.reasoning == case.reasoning
    if case.calls is not None:
        assert done.calls == case.calls
    if case.usage:
        usage = done.last["response"]["usage"]
        found = {
            "input": usage["input_tokens"],
            "output": usage["output_tokens"],
            "cached": usage["input_tokens_details"]["cached_tokens"],
        }
        assert {name: found[name] for name in case.usage} == case.usage


# What Codex sends.


def message(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": list(parts)}


def user(text: str) -> dict[str, Any]:
    return message("user", {"type": "input_text", "text": text})


def developer(text: str) -> dict[str, Any]:
    return message("developer", {"type": "input_text", "text": text})


def assistant(text: str) -> dict[str, Any]:
    return message("assistant", {"type": "output_text", "text": text})


def picture(url: str) -> dict[str, Any]:
    return message("user", {"type": "input_image", "image_url": url})


def call(
    call_id: str = "call_1", name: str = "shell", arguments: str = '{"command":"ls"}'
) -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def result(call_id: str = "call_1", output: Any = "done") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def tool(name: str = "shell", schema: Any = None, **fields: Any) -> dict[str, Any]:
    parameters = schema or {
        "type": "object",
        "properties": {"command": {"type": "string"}},
        "required": ["command"],
        "additionalProperties": False,
    }
    return {
        "type": "function",
        "name": name,
        "description": "Does it.",
        "strict": False,
        "parameters": parameters,
        **fields,
    }


CODEX_FIELDS: Mapping[str, Any] = {
    "instructions": "You are Codex.",
    "tools": [tool()],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"effort": "medium", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "thread-1",
}
"""What Codex 0.171 sends with every request. A case takes a field out with None."""


# What a server says.


def error(text: str, **rest: Any) -> dict[str, Any]:
    return {"error": {"message": text, **rest}}


def chat_stream(
    *deltas: Any, finish: str | None = "stop", usage: Any = None, done: bool = True
) -> bytes:
    """A stream of chat chunks: each delta is the object of one."""
    events: list[Any] = [chunk(one) for one in deltas]
    if finish is not None:
        events.append(chunk(finish=finish))
    events.append({**chunk(), "choices": [], "usage": usage or USAGE})
    return sse(*events) + (DONE if done else b"")


def chat_text(*texts: str, **rest: Any) -> bytes:
    return chat_stream(
        {"role": "assistant", "content": ""}, *({"content": text} for text in texts), **rest
    )


def chat_call(
    arguments: str = '{"command":"ls"}',
    *,
    name: str = "shell",
    call_id: str = "call_1",
    before: tuple[Any, ...] = (),
    **rest: Any,
) -> bytes:
    made = {
        "index": 0,
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }
    return chat_stream(*before, {"tool_calls": [made]}, **{"finish": "tool_calls", **rest})


def message_text(text: str, reason: str = "end_turn") -> bytes:
    return sse(
        START,
        block(0, "text", text=""),
        delta(0, "text_delta", text=text),
        {"type": "content_block_stop", "index": 0},
        *message_end(reason),
    )


def message_call(
    arguments: str = '{"command":"ls"}', *, name: str = "shell", call_id: str = "toolu_1"
) -> bytes:
    return sse(
        START,
        block(0, "tool_use", id=call_id, name=name, input={}),
        delta(0, "input_json_delta", partial_json=arguments),
        {"type": "content_block_stop", "index": 0},
        *message_end("tool_use"),
    )


def responses_text(text: str) -> bytes:
    """A whole stream of the Responses API."""
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }
    empty = {**item, "status": "in_progress", "content": []}
    opened = {**RESPONSE, "status": "in_progress", "output": []}
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": opened},
        {"type": "response.in_progress", "response": opened},
        {"type": "response.output_item.added", "output_index": 0, "item": empty},
        {"type": "response.content_part.added", **at, "part": {**part, "text": ""}},
        {"type": "response.output_text.delta", **at, "delta": text},
        {"type": "response.output_text.done", **at, "text": text},
        {"type": "response.content_part.done", **at, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {
            "type": "response.completed",
            "response": {**RESPONSE, "status": "completed", "output": [item]},
        },
    ]
    return sse(*({**event, "sequence_number": number} for number, event in enumerate(events)))


# What a rule looks at.


def messages_of(body: Body, role: str) -> list[Body]:
    return [one for one in body.get("messages", ()) if one["role"] == role]


def roles(body: Body) -> list[str]:
    return [one["role"] for one in body["messages"]]


def parts(body: Body, kind: str) -> list[Body]:
    """Every content part of a kind, those inside tool results included."""
    found: list[Body] = []
    stack: list[Any] = list(body["messages"])
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            if one.get("type") == kind:
                found.append(one)
            below = one.get("content")
            stack += below if isinstance(below, list) else []
    return found


def schema_of(body: Body, at: int = 0) -> Body:
    one = body["tools"][at]
    schema: Body = one["input_schema"] if "input_schema" in one else one["function"]["parameters"]
    return schema


def names(body: Body) -> list[str]:
    return [one.get("name") or one["function"]["name"] for one in body.get("tools", ())]
