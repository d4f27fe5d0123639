"""Rows that speak the Responses API themselves, and the rows that answer in the place of another one."""

from __future__ import annotations

from collections.abc import Callable

from addons.core.credential import Origin
from addons.core.providers.fallback import with_fallbacks
from addons.core.providers.native import Native
from addons.core.routes import Route
from addons.core.target import Target
from addons.core.translate.conversation import Dialects
from addons.core.turn import ClientRequest, Plan
from tests.conformance import parse
from tests.proxy.byok_line import (
    CODEX,
    EACH_CLIENT,
    KEY,
    SDK,
    Key,
    Speech,
    ask,
    body,
    plans,
    says,
    terminal,
)
from tests.proxy.scripts import answer
from tests.support.client import client
from tests.support.engine import QUICK, engine
from tests.support.upstream import upstream

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
