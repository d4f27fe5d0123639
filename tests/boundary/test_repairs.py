"""Sessions over real sockets with an upstream that refuses something: every turn succeeds, and it is paid for once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from addons.adapters.traits_store import FileTraits
from addons.core.protocols.chat import request as chat
from addons.core.protocols.responses.request import read_request
from addons.core.protocols.translator import ProtocolTranslator
from addons.core.providers import row_attempts
from addons.core.providers.translated import TranslatedProvider
from addons.core.routes import Route
from addons.core.secrets import Origin
from addons.core.turn import ClientRequest, Plan
from addons.core.upstream.profile import Profile
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target
from tests.boundary.refusing_upstream import Form, RefusingUpstream, all_forms
from tests.boundary.row_turns import CODEX, Key, terminal
from tests.boundary.scripts import answer
from tests.support.client import Client, client
from tests.support.engine import QUICK, engine
from tests.support.upstream import Exchange, upstream

TURNS = 10
EVERYTHING = Profile(
    system_role="developer",
    output_limit_field="max_completion_tokens",
    effort_style="reasoning_effort",
    cache_key_field="prompt_cache_key",
    verbosity=True,
)
"""A profile that sends every optional field there is."""
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
FIELDS: dict[str, Any] = {
    "model": "row",
    "stream": True,
    "instructions": "Be brief.",
    "temperature": 0.5,
    "top_p": 0.9,
    "max_output_tokens": 9000,
    "parallel_tool_calls": True,
    "prompt_cache_key": "thread",
    "reasoning": {"effort": "xhigh"},
    "tools": [
        {"type": "function", "name": "run-it", "parameters": SCHEMA, "strict": False},
        {"type": "function", "name": "read", "parameters": SCHEMA, "strict": False},
    ],
    "tool_choice": {"type": "function", "name": "read"},
    "text": {
        "verbosity": "low",
        "format": {"type": "json_schema", "name": "a", "schema": SCHEMA, "strict": True},
    },
}
PICTURES = ("data:image/png;base64,R09PRA==", "data:image/png;base64,BAD=")


@asynccontextmanager
async def shim(store: FileTraits, port: int, **fields: Any) -> AsyncIterator[Client]:
    """A process of the shim with one row."""
    origin = Origin("http", "127.0.0.1", port)
    numbers = count()
    path = "/v1/chat/completions"
    target = Target(
        "row", "Row", "fake", "m", Protocol.CHAT, origin, path, profile=EVERYTHING, **fields
    )
    row = TranslatedProvider(
        target=target,
        key=Key(origin),
        translator=cast("ProtocolTranslator", chat),
        read=read_request,
        ids=lambda: f"seed{next(numbers)}",
        clock=lambda: 1_700_000_000.0,
        limits=QUICK,
        store=store,
    )

    def plan(request: ClientRequest) -> Plan:
        return row.plan(request, Route("row", "Row", "fake", "m", {}, row.plan))

    async with engine(plan, QUICK) as proxy, client(proxy.port) as c:
        yield c


def question(number: int) -> list[dict[str, Any]]:
    """What the user adds in one turn: a text, a later instruction, two pictures."""
    items: list[dict[str, Any]] = [message("user", {"type": "input_text", "text": f"go {number}"})]
    if number == 2:
        items.append(message("developer", {"type": "input_text", "text": "Be kind."}))
    if number in {3, 4}:
        items.append(message("user", {"type": "input_image", "image_url": PICTURES[number - 3]}))
    return items


def message(role: str, *content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": list(content)}


async def session(c: Client) -> None:
    """ReceivedRequest `TURNS` questions, each with the whole history, and answer the call of each turn."""
    history: list[dict[str, Any]] = []
    for number in range(TURNS):
        history += question(number)
        await c.post("/v1/responses", orjson.dumps({**FIELDS, "input": history}), CODEX)
        event = terminal(await c.response())
        assert event["type"] == "response.completed", (number, event["response"]["error"])
        output = event["response"]["output"]
        history += output
        call_id = output[-1]["call_id"]
        history.append({"type": "function_call_output", "call_id": call_id, "output": f"{number}"})


@pytest.mark.parametrize("form", all_forms(), ids=lambda one: one.name)
async def test_every_turn_succeeds_and_the_second_session_pays_nothing(
    form: Form, tmp_path: Path
) -> None:
    fake = RefusingUpstream(form)
    extra = (
        {"seed": 1, "service_tier": "auto"}
        if form.name.split()[0] not in {"seed", "service_tier"}
        else {}
    )
    async with upstream(fake) as up:
        for refusals in (1, 0):
            fake.refused = 0
            store = FileTraits(tmp_path / "traits.json")
            async with shim(store, up.port, extra_body=extra) as c:
                await session(c)
            store.flush()
            assert fake.refused <= refusals
    assert len(fake.accepted) == 2 * TURNS


NAMES_A_REPAIR = b'{"error":{"message":"Unsupported parameter: top_p","param":"top_p"}}'


@pytest.mark.parametrize(
    ("status", "lines", "requests"),
    [
        (b"400 Bad Request", (), 2),
        (b"404 Not Found", (), 2),
        (b"422 Unprocessable Content", (), 2),
        (b"500 Internal Server Error", (), 1),
        (b"501 Not Implemented", (), 1),
        (b"503 Service Unavailable", (b"retry-after: 0",), 1),
        (b"529 Overloaded", (b"retry-after: 0",), 1),
    ],
)
async def test_late_status_is_sent_again_only_if_it_refuses_the_request(
    status: bytes,
    lines: tuple[bytes, ...],
    requests: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error of the server does not say that the upstream did no work."""
    monkeypatch.setattr(row_attempts, "EARLY_SECONDS", 0.05)

    async def late(exchange: Exchange) -> None:
        await asyncio.sleep(0.2)
        await exchange.whole(
            NAMES_A_REPAIR, b"content-type: application/json", *lines, status=status
        )

    async with upstream(late, answer(b"418 Teapot")) as up:
        async with shim(FileTraits(tmp_path / "traits.json"), up.port) as c:
            await c.post("/v1/responses", orjson.dumps({**FIELDS, "input": question(0)}), CODEX)
            assert terminal(await c.response())["type"] == "response.failed"
        assert len(up.requests) == requests
