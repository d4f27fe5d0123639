"""A server that refuses one optional field or form per model: a session of twenty turns succeeds, and the next one asks nothing twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, product
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from addons.adapters.row_routes import RowRoutes
from addons.core.routes import Route
from addons.core.settings.models_file import parse_models
from addons.core.turn import ClientRequest, Plan
from tests.boundary.row_turns import CODEX, terminal
from tests.field.cases_requests import PNG, png
from tests.field.rig import (
    CODEX_FIELDS,
    KEY,
    LIMITS,
    Body,
    chat_call,
    chat_text,
    error,
    names,
    parts,
    picture,
    result,
    roles,
    schema_of,
    tool,
    user,
)
from tests.strict.chat import validate
from tests.support.client import client
from tests.support.engine import engine
from tests.support.upstream import Exchange, upstream

TURNS = 20
SHORT = 6
SEEDS = range(8)


@dataclass(frozen=True)
class Trait:
    """What a model refuses, and how."""

    name: str
    is_in: Callable[[Body], bool]
    responses: Sequence[Any]
    """Ways to say it; one is chosen."""


def unknown(name: str) -> list[Any]:
    """Return ways in which servers refuse a field."""
    return [
        error(f"Unknown parameter: '{name}'.", param=name),
        error(f"{name} is not supported by this model"),
        {"detail": [{"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"}]},
        f"Failed to deserialize the JSON body into the target type: unknown field `{name}`, expected one of `model`, `messages` at line 1 column 90",
        error("Param Incorrect", param=f"{name} is not supported", code="400"),
    ]  # fmt: skip


def has(name: str) -> Trait:
    return Trait(name, lambda body: name in body, unknown(name))


TRAITS = [
    *map(has, ("stream_options", "parallel_tool_calls", "prompt_cache_key", "reasoning_effort", "temperature", "top_p")),
    Trait("strict", lambda body: any("strict" in one["function"] for one in body["tools"]), [error("Unknown name \"strict\" at 'tools[0].function': Cannot find field.")]),
    Trait("effort", lambda body: body.get("reasoning_effort") == "xhigh", [error("Unsupported value: 'xhigh'. Supported values are: 'low', 'medium', and 'high'.", param="reasoning_effort")]),
    Trait("role", lambda body: "developer" in roles(body), [error("invalid role 'developer', must be one of: system, user, assistant, tool"), error("Incorrect role information")]),
    Trait("limit", lambda body: "max_completion_tokens" in body, [error("Unsupported parameter: 'max_completion_tokens'. Use 'max_tokens' instead.")]),
    Trait("picture", lambda body: bool(parts(body, "image_url")), [error("this model does not support image input"), error("messages[1]: unknown variant `image_url`, expected `text`")]),
    Trait("null", lambda body: any(one.get("content", "") is None for one in body["messages"]), [error("messages[2].content must not be null"), error("invalid message content type: <nil>")]),
    Trait("ids", lambda body: any(len(one["id"]) != 9 for message in body["messages"] for one in message.get("tool_calls", ())), [error("Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9.")]),
    Trait("names", lambda body: any("-" in name for name in names(body)), [error("Invalid function name 'my-tool': must match ^[a-zA-Z_][a-zA-Z0-9_]*$")]),
    Trait("schema", lambda body: '"minimum"' in orjson.dumps(schema_of(body)).decode(), [error("Invalid schema for function 'my-tool': 'minimum' is not supported")]),
    Trait("description", lambda body: any(len(one["function"]["description"]) > 1024 for one in body["tools"]), [error("Invalid 'tools[0].function.description': string too long. Expected a string with maximum length 1024.")]),
]  # fmt: skip
ROWS = ({"provider": "azure", "model": "gpt-5.6-terra"}, {"provider": "openai", "model": "gpt-4o"})
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}
REQUEST: dict[str, Any] = {
    **CODEX_FIELDS,
    "model": "row",
    "stream": True,
    "store": False,
    "tools": [tool("my-tool", SCHEMA, description="Searches everything. " * 80)],
    "reasoning": {"effort": "xhigh"},
    "temperature": 0.5,
    "top_p": 0.9,
    "max_output_tokens": 9_000,
}


@dataclass
class Server:
    """Refuses some traits, and answers every other turn with a call."""

    refused: list[Trait]
    random: Random
    refusals: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    accepted: list[Body] = field(default_factory=list)

    async def __call__(self, exchange: Exchange) -> None:
        body: Body = orjson.loads(exchange.request.body)
        for trait in self.refused:
            if trait.is_in(body):
                self.refusals.append(trait.name)
                response = self.random.choice(trait.responses)
                text = response.encode() if isinstance(response, str) else orjson.dumps(response)
                await exchange.whole(
                    text, b"content-type: application/json", status=b"400 Bad Request"
                )
                return
        self.faults += validate(body)
        self.accepted.append(body)
        turn = len(self.accepted)
        name = names(body)[0]
        answer = (
            chat_call('{"n":1}', name=name, call_id=f"call_{turn}") if turn % 2 else chat_text("ok")
        )
        await exchange.sse_head()
        await exchange.chunk(answer)
        await exchange.end()


class Shim:
    """The shim, whose one row is the one of the session that runs. A session makes its table anew, as a start does."""

    def __init__(self) -> None:
        self.table: dict[str, Route] = {}
        self.port = 0

    def plan(self, request: ClientRequest) -> Plan:
        return self.table["row"].make_plan(request, self.table["row"])


@pytest.fixture
async def shim() -> AsyncIterator[Shim]:
    made = Shim()
    async with engine(made.plan, LIMITS) as proxy:
        made.port = proxy.port
        yield made


async def session(
    shim: Shim, fields: Mapping[str, str], port: int, folder: Path, turns: int = TURNS
) -> int:
    """Run a thread as Codex does, with what the folder remembers. Return how many turns were completed."""
    row = {"slug": "row", "api_key": KEY, "base_url": f"http://127.0.0.1:{port}/v1", **fields}
    rows = parse_models(orjson.dumps([row]), "models.json")
    table: dict[str, Route] = {}
    routes = RowRoutes({"CODEX_SHIM_STATE_DIR": str(folder)}, folder, table.get)
    table.update((one.slug, one) for one in routes.routes(rows, LIMITS))
    shim.table = table
    history: list[dict[str, Any]] = []
    completed = 0
    async with client(shim.port) as codex:
        for number in range(turns):
            history.append(picture(PNG + png()) if number == 4 else user(f"go {number}"))
            body = orjson.dumps({**REQUEST, "input": history})
            await codex.post("/v1/responses", body, CODEX)
            last = terminal(await codex.response())
            completed += last["type"] == "response.completed"
            output = last["response"]["output"]
            history += output
            history += [result(one["call_id"]) for one in output if "call_id" in one]
    routes.traits.flush()
    return completed


def assert_prefixes(bodies: list[Body]) -> None:
    """Each request continues the one before it: nothing that was learnt invalidates the upstream's cache."""
    for one, following in pairwise(bodies):
        assert following["messages"][: len(one["messages"])] == one["messages"]
        assert {**following, "messages": []} == {**one, "messages": []}


@pytest.mark.parametrize("seed", SEEDS)
async def test_refused_trait_costs_one_request_once(seed: int, shim: Shim, tmp_path: Path) -> None:
    random = Random(seed)  # noqa: S311
    chosen = random.sample(TRAITS, random.choice((1, 1, 2, 3)))
    server = Server(chosen, random)
    row = ROWS[seed % len(ROWS)]
    async with upstream(server) as up:
        assert await session(shim, row, up.port, tmp_path) == TURNS, server.refusals
        learnt = list(server.refusals)
        assert await session(shim, row, up.port, tmp_path) == TURNS
    assert server.faults == []
    assert len(learnt) == len(set(learnt)), learnt
    assert server.refusals == learnt
    assert_prefixes(server.accepted[TURNS:])


@pytest.mark.parametrize("trait", TRAITS, ids=lambda one: one.name)
async def test_each_trait_is_learnt_in_any_words(trait: Trait, shim: Shim, tmp_path: Path) -> None:
    refusals = 0
    for number, (row, response) in enumerate(product(ROWS, trait.responses)):
        server = Server([replace(trait, responses=[response])], Random(0))  # noqa: S311
        folder = tmp_path / str(number)
        folder.mkdir()
        async with upstream(server) as up:
            assert await session(shim, row, up.port, folder, SHORT) == SHORT, response
            refused = len(server.refusals)
            assert await session(shim, row, up.port, folder, SHORT) == SHORT
        assert refused == len(server.refusals) <= 1, response
        assert server.faults == []
        refusals += refused
    assert refusals >= len(trait.responses)
