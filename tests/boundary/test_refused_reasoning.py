"""A thread that comes to ChatGPT with another upstream's reasoning, over sockets: refused, sent without it, answered."""

import orjson

from addons.core.providers.chatgpt import ChatGPTProvider, parse_base_url
from addons.core.routes import Route
from addons.core.turn import ClientRequest, Plan
from tests.boundary.scripts import DONE, EVENT, answer, turn
from tests.core.providers.chatgpt_turns import Logins
from tests.support.client import client
from tests.support.engine import engine
from tests.support.upstream import upstream

USER = {"type": "message", "role": "user", "content": "hi"}
THEIRS = {"type": "reasoning", "summary": [], "encrypted_content": "of-another"}
REFUSAL = orjson.dumps({"error": {"code": "invalid_encrypted_content", "message": "no"}})
CODEX = (b"originator: codex_exec", b"thread-id: thread-1")


def body(*items: object) -> bytes:
    return orjson.dumps({"model": "gpt-x", "input": list(items), "stream": True})


async def test_the_client_sees_one_answer_and_the_next_turn_is_not_refused() -> None:
    async with upstream(answer(b"400 Bad Request", REFUSAL), turn, turn) as up:
        settings = ChatGPTProvider(Logins(), parse_base_url(f"http://127.0.0.1:{up.port}"))
        route = Route("gpt-x", "GPT X", "chatgpt", "gpt-x", {}, settings.plan)

        def plan(request: ClientRequest) -> Plan:
            return route.make_plan(request, route)

        async with engine(plan) as proxy, client(proxy.port) as c:
            for asked in (body(USER, THEIRS), body(USER, THEIRS, USER)):
                await c.post("/v1/responses", asked, *CODEX)
                response = await c.response()
                assert (response.status, response.body) == (200, EVENT + DONE)
    sent = [orjson.loads(request.body)["input"] for request in up.requests]
    assert sent == [[USER, THEIRS], [USER], [USER, USER]]


async def test_another_refusal_arrives_as_it_was() -> None:
    refusal = b'{"detail": "Store must be set to false"}'
    async with upstream(answer(b"400 Bad Request", refusal, b"x-request-id: r")) as up:
        settings = ChatGPTProvider(Logins(), parse_base_url(f"http://127.0.0.1:{up.port}"))
        route = Route("gpt-x", "GPT X", "chatgpt", "gpt-x", {}, settings.plan)
        async with (
            engine(lambda request: route.make_plan(request, route)) as proxy,
            client(proxy.port) as c,
        ):
            await c.post("/v1/responses", body(USER, THEIRS), *CODEX)
            response = await c.response()
    assert (response.status, response.body) == (400, refusal)
    assert response.header(b"x-request-id") == b"r"
    assert len(up.requests) == 1
