"""Each provider of docs/models.md gets requests that its strict judge accepts, from the row to the read answer.

The row is resolved as at start-up: address, key of the environment, protocol, profile. The plan of its route writes the
requests and reads the answers; only the network is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from addons.adapters.row_routes import RowRoutes
from addons.core.limits import Limits
from addons.core.routes import Route
from addons.core.settings.models_file import parse_models
from addons.core.settings.presets import PRESETS
from addons.core.turn import ClientRequest, Head, Relay, Send, UpstreamRequest
from tests.conformance import parse
from tests.field.rig import KEY as ROW_KEY
from tests.field.rig import Case, message_text, run
from tests.field.rig import judge as judge_case
from tests.strict.provider_apis import CHAT_APIS, MESSAGES_APIS, RESPONSES_APIS
from tests.strict.providers import Api, Sent, judge
from tests.support.upstream import Received

KEY = "key-of-the-provider-1234"
RIG_KEY = ROW_KEY.encode()
PNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
Item = dict[str, Any]
TRANSLATED = (*CHAT_APIS, *MESSAGES_APIS)


def message_item(role: str, text: str, *more: Item) -> Item:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}, *more]}


SCHEMA = {
    "type": "object",
    "properties": {
        "cmd": {"type": "string"},
        "workdir": {"type": "string", "anyOf": [{"type": "string"}, {"type": "null"}]},
        "$top": {"type": ["integer", "null"], "minimum": 0},
    },
    "required": ["cmd"],
    "additionalProperties": False,
}
TOOLS: list[Item] = [
    {"type": "function", "name": "exec_command", "description": "Runs it.", "strict": False, "parameters": SCHEMA},
    {"type": "custom", "name": "apply_patch", "description": "Edits.", "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "x"'}},
    {"type": "namespace", "name": "mcp__notes", "description": "", "tools": [{"type": "function", "name": "find", "strict": None, "parameters": {"type": "object", "anyOf": [{"properties": {"id": {"type": "string"}}}, {"properties": {"name": {"type": "string"}}}]}}]},
    {"type": "web_search"},
]  # fmt: skip
START: list[Item] = [
    message_item("developer", "Sandbox: on."),
    message_item("developer", "Second instruction."),
    message_item("user", "Context."),
    message_item("user", "What is in this picture?", {"type": "input_image", "image_url": PNG, "detail": "high"}),
]  # fmt: skip
OF_ANOTHER_MODEL: list[Item] = [
    {"type": "reasoning", "summary": [], "content": None, "encrypted_content": "gAAAA-foreign"},
    {"type": "function_call", "call_id": "call_" + "x" * 60, "name": "exec_command", "arguments": '{"cmd":"pwd"}'},
    {"type": "function_call_output", "call_id": "call_" + "x" * 60, "output": "/home"},
    message_item("user", "Go on."),
]  # fmt: skip


class Thread:
    """One thread with one provider."""

    def __init__(self, api: Api, folder: Path) -> None:
        self.api = api
        rows = parse_models(orjson.dumps([{**api.row, "slug": "row"}]), "models.json")
        assert rows.problems == ()
        table: dict[str, Route] = {}
        env = {"CODEX_SHIM_STATE_DIR": str(folder), **({api.variable: KEY} if api.variable else {})}
        made = RowRoutes(env, folder, table.get).routes(rows, Limits())
        table.update((route.slug, route) for route in made)
        self.route = table["row"]
        assert not self.route.unavailable_reason
        self.history: list[Item] = []
        self.bodies: list[Item] = []
        self.last: Item = {}

    def turn(self, answer: bytes, items: Iterable[Item], **fields: Any) -> None:
        """Send a turn as Codex does; let the provider judge the request; read its answer."""
        self.history += items
        body = {
            "model": "row",
            "instructions": "You are Codex.",
            "input": self.history,
            "tools": TOOLS,
            "tool_choice": "auto",
            "parallel_tool_calls": True,
            "reasoning": {"effort": "xhigh", "summary": "auto"},
            "store": False,
            "stream": True,
            "include": ["reasoning.encrypted_content"],
            "prompt_cache_key": "thread-1",
            **fields,
        }
        request = ClientRequest(
            "POST",
            "/v1/responses",
            ((b"originator", b"codex_exec"),),
            orjson.dumps(body),
            model="row",
        )
        plan = self.route.make_plan(request, self.route)
        step = plan.start()
        assert isinstance(step, Send), step
        sent = as_received(step.request)
        self.bodies.append(sent.body)
        shown = orjson.dumps(sent.body, option=orjson.OPT_INDENT_2).decode()[:6000]
        assert judge(self.api, sent, KEY) == [], shown
        if not answer:
            return
        relay = plan.on_head(Head(200, ((b"content-type", b"text/event-stream"),)))
        assert isinstance(relay, Relay)
        out = relay.translator.feed(answer) + relay.translator.finish()
        self.last = parse(out)[-1]
        assert self.last["type"] == "response.completed", self.last
        self.history += self.output()

    def output(self, kind: str = "") -> list[Item]:
        return [one for one in self.last["response"]["output"] if kind in {"", one["type"]}]

    def results(self) -> list[Item]:
        calls = self.output("function_call")
        return [
            {"type": "function_call_output", "call_id": one["call_id"], "output": "a.py"}
            for one in calls
        ]


def as_received(request: UpstreamRequest) -> Sent:
    """Return the request as the engine writes it, with the key that it reveals for this origin only."""
    plain = {name.decode().lower(): value.decode() for name, value in request.headers}
    secret = {
        one.name.decode().lower(): one.value_for(request.origin).decode() for one in request.secrets
    }
    return Sent(
        url=f"{request.origin}{request.path}",
        headers={**plain, **secret},
        body=orjson.loads(request.body),
    )


each_api: Callable[[Any], Any] = pytest.mark.parametrize("api", TRANSLATED, ids=lambda api: api.id)


@each_api
def test_thread_with_a_provider(api: Api, tmp_path: Path) -> None:
    thread = Thread(api, tmp_path)
    thread.turn(api.stream, START)
    [call] = thread.output("function_call")
    assert (call["name"], orjson.loads(call["arguments"])) == ("exec_command", {"cmd": "ls"})
    summaries = [part["text"] for one in thread.output("reasoning") for part in one["summary"]]
    assert "".join(summaries).strip() == api.reasoning
    usage = thread.last["response"]["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (100, 7)
    second = f"{api.call_id[:-1]}9"
    thread.turn(api.stream.replace(api.call_id.encode(), second.encode()), thread.results())
    thread.turn(b"", [*thread.results(), message_item("user", "Thanks.")])
    sent = orjson.dumps(thread.bodies[-1])
    assert all(sent.count(f'"{one}"'.encode()) == 2 for one in (api.call_id, second))


@each_api
def test_thread_started_by_another_model(api: Api, tmp_path: Path) -> None:
    thread = Thread(api, tmp_path)
    thread.turn(api.stream, [*START, *OF_ANOTHER_MODEL])
    thread.turn(b"", thread.results())


@each_api
def test_compaction_and_forced_tools(api: Api, tmp_path: Path) -> None:
    thread = Thread(api, tmp_path)
    thread.turn(b"", [*START, *OF_ANOTHER_MODEL], tools=[])
    named = {"type": "function", "name": "exec_command"}
    for choice in ("required", "none", named):
        thread.turn(b"", (), tool_choice=choice)


@each_api
def test_every_effort_of_codex(api: Api, tmp_path: Path) -> None:
    quiet = replace(api, body={k: v for k, v in api.body.items() if k != "chat_template_kwargs"})
    for effort in ("none", "minimal", "low", "medium", "high", "xhigh", None):
        thread = Thread(quiet, tmp_path / str(effort))
        thread.turn(b"", START, reasoning={"effort": effort} if effort else None)


@each_api
def test_structured_output_with_tools(api: Api, tmp_path: Path) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 1}},
        "required": ["n"],
    }
    text = {"format": {"type": "json_schema", "name": "answer", "strict": True, "schema": schema}}
    Thread(api, tmp_path).turn(b"", START, text=text)


@pytest.mark.parametrize("api", RESPONSES_APIS, ids=lambda api: api.id)
def test_responses_provider_gets_the_request_with_its_own_model(api: Api, tmp_path: Path) -> None:
    thread = Thread(api, tmp_path)
    thread.turn(b"", START)
    assert thread.bodies[0]["model"] == api.row["model"]


def test_every_preset_with_an_address_or_a_cloud_has_a_judge() -> None:
    """The names without one are reference APIs with judges of their own, and NVIDIA's, which nobody asked for here."""
    judged = {str(api.row["provider"]) for api in (*TRANSLATED, *RESPONSES_APIS)}
    missing = {preset.name for preset in PRESETS if not judged & set(preset.words)}
    assert missing == {
        "openai",
        "openai-responses",
        "anthropic",
        "nvidia-nim",
        "generic-chat-completion-api",
    }


def head_has(*lines: bytes) -> Callable[[list[Received]], bool]:
    return lambda received: all(line in received[0].head for line in lines)


WIRE_CASES = [
    Case(id="portkey", row={"provider": "portkey", "model": "@p/m"}, text="ok", heads=head_has(b"x-portkey-api-key: %s" % RIG_KEY)),
    Case(id="azure", row={"provider": "azure", "model": "m"}, text="ok", heads=head_has(b"api-key: %s" % RIG_KEY)),
    Case(id="minimax", row={"provider": "minimax-messages", "model": "MiniMax-M2.7"}, text="ok", heads=head_has(b"/v1/messages", b"authorization: Bearer %s" % RIG_KEY)),
    Case(
        id="vertex",
        row={"provider": "vertex", "model": "claude-sonnet-4-5@20250929"},
        answers=(message_text("ok"),),
        text="ok",
        heads=head_has(b"/v1/publishers/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict", b"authorization: Bearer %s" % RIG_KEY),
        sent=lambda bodies: "model" not in bodies[0] and bodies[0]["anthropic_version"] == "vertex-2023-10-16",
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", WIRE_CASES, ids=lambda case: case.id)
async def test_request_on_the_wire(case: Case, tmp_path: Path) -> None:
    judge_case(case, await run(case, tmp_path))
