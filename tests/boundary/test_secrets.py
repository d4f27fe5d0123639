"""Secrets: what the client sent and what an upstream is sent are in no flow, file, log or copy; never."""

import asyncio
import copy
import io
import logging
from pathlib import Path

import pytest
from mitmproxy import http
from mitmproxy import io as mitmproxy_io
from mitmproxy.addons import save

from addons.core.headers import REDACTION_LABEL
from addons.core.secrets import Secret
from tests.boundary.row_turns import ANSWERS_BY_PROTOCOL, CODEX, SDK, ask, chunk, plans, says, sse
from tests.boundary.row_turns import KEY as ROW_KEY
from tests.boundary.row_turns import body as row_body
from tests.boundary.scripts import BODY, DONE, EVENT, answer, begins, raw, turn
from tests.support.client import client
from tests.support.engine import BEARER, engine, to_ports
from tests.support.upstream import Exchange, Script, upstream
from tests.support.waiting import within

CLIENT = {
    b"authorization": b"Bearer client-bearer-qzwx-canary",
    b"cookie": b"session=client-cookie-qzwx-canary",
    b"chatgpt-account-id": b"client-account-qzwx-canary",
    b"x-codex-shim-token": b"client-local-token-qzwx-canary",
}
LINES = [name + b": " + value for name, value in CLIENT.items()]
CANARIES = [b"qzwx-canary", BEARER]


def leaks(text: str | bytes) -> list[bytes]:
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return [canary for canary in CANARIES if canary in data]


def everything_of(flow: http.HTTPFlow) -> bytes:
    buffer = io.BytesIO()
    mitmproxy_io.FlowWriter(buffer).add(flow)
    return buffer.getvalue() + repr(flow.get_state()).encode() + repr(vars(flow)).encode()


async def test_clients_credentials_are_in_no_flow_at_any_hook() -> None:
    seen: list[tuple[str, list[bytes], list[bytes]]] = []
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:

        def look(hook: str) -> None:
            def act(flow: http.HTTPFlow) -> None:
                labels = [flow.request.headers.get(name.decode(), "") for name in CLIENT]
                seen.append((hook, leaks(everything_of(flow)), [each.encode() for each in labels]))

            proxy.addon.acts[hook] = act

        for hook in ("requestheaders", "request", "responseheaders", "response"):
            look(hook)
        await c.post("/v1/responses", BODY, *LINES)
        assert (await c.response()).status == 200
    labels = [REDACTION_LABEL] * len(CLIENT)
    assert seen == [
        (hook, [], labels) for hook in ("requestheaders", "request", "responseheaders", "response")
    ]


async def test_plan_gets_the_clients_credentials_as_secrets() -> None:
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        await c.post("/v1/responses", BODY, *LINES)
        await c.response()
    credentials = proxy.router.requests[0].credentials
    assert credentials.keys() == CLIENT.keys()
    for name, value in CLIENT.items():
        assert credentials[name].matches(Secret(value))
    assert leaks(repr(proxy.router.requests[0])) == []


@pytest.mark.parametrize(
    ("name", "status"),
    [
        (b"Authorization", 200),
        (b"AUTHORIZATION", 200),
        (b"Authorization ", 400),
        (b"cookie\t", 400),
    ],
)
async def test_other_spellings_of_a_credential_are_taken_or_refused(
    name: bytes, status: int
) -> None:
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        await c.post("/v1/responses", BODY, name + b": Bearer qzwx-canary")
        assert (await c.response()).status == status
    for flow in proxy.addon.flows:
        assert leaks(everything_of(flow)) == []
    if status == 200:
        request = proxy.router.requests[0]
        assert request.credentials[b"authorization"].matches(Secret(b"Bearer qzwx-canary"))
        assert (name, REDACTION_LABEL) in request.headers


async def test_what_the_upstream_is_sent_reaches_it_and_no_flow() -> None:
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        await c.post("/v1/responses", BODY, *LINES)
        await c.response()
        assert up.requests[0].header(b"authorization") == b"Bearer " + BEARER
        assert leaks(everything_of(proxy.flow)) == []
        assert proxy.flow.request.host == "127.0.0.1"
        assert proxy.flow.request.port == 9


async def test_live_flow_can_be_saved_copied_and_deep_copied(tmp_path: Path) -> None:
    began = asyncio.Event()
    file = tmp_path / "flows"
    async with (
        upstream(begins(EVENT, began=began)) as up,
        engine(to_ports(up.port)) as proxy,
        client(proxy.port) as c,
    ):
        saver = save.Save()
        proxy.master.addons.add(saver)
        proxy.master.options.update(save_stream_file=str(file))
        await c.post("/v1/responses", BODY, *LINES)
        await within(began)
        await c.head()
        assert await c.chunk() == EVENT
        flow = proxy.flow
        assert flow.killable
        for twin in (flow.copy(), copy.deepcopy(flow)):
            assert leaks(everything_of(twin)) == []
        assert leaks(everything_of(flow)) == []
        saver.active_flows.add(flow)
        saver.done()
    assert file.stat().st_size > 0
    assert leaks(file.read_bytes()) == []


def chatty(*_: object) -> Script:
    return raw(b"HTTP/1.1 200 OK\r\nbad " + BEARER + b"\r\n\r\n")


@pytest.mark.parametrize(
    "script",
    [turn, chatty(), raw(b"Bearer " + BEARER), raw(b""), answer(b"500 Oops", BEARER)],
    ids=["healthy", "bad head", "garbage", "closed", "error"],
)
async def test_no_header_value_is_ever_logged(
    script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with upstream(script) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        await c.post("/v1/responses", BODY, *LINES)
        await c.response()
    assert leaks(caplog.text) == []
    assert all(leaks(everything_of(flow)) == [] for flow in proxy.addon.flows)


async def test_unsolicited_data_from_an_upstream_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)

    async def talks_on(exchange: object) -> None:
        await turn(exchange)  # type: ignore[arg-type]
        await exchange.send(b"HTTP/1.1 200 OK\r\nset-cookie: " + BEARER)  # type: ignore[attr-defined]

    async with (
        upstream(talks_on) as up,
        engine(to_ports(up.port)) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        assert (await c.response()).body == EVENT + DONE
        await within(up.gone)
    assert leaks(caplog.text) == []


PIECES = {
    "whole": (b"the key is %s." % ROW_KEY,),
    "behind other text": (b"well", b"it is", ROW_KEY),
    "twice": (ROW_KEY, b" and ", ROW_KEY),
}


@pytest.mark.parametrize("pieces", PIECES)
@pytest.mark.parametrize("who", [CODEX, SDK])
async def test_row_key_in_a_delta_of_a_translated_answer_does_not_reach_the_client(
    who: bytes, pieces: str
) -> None:
    answers = ANSWERS_BY_PROTOCOL["chat"]
    deltas = [chunk({"content": text.decode()}) for text in PIECES[pieces]]
    async with (
        upstream(says(sse(*deltas), answers.end)) as up,
        engine(plans(answers, up.port)) as proxy,
        client(proxy.port) as c,
    ):
        response = await ask(c, who)
    assert response.complete
    assert b"response.completed" in response.body
    assert ROW_KEY not in response.body
    assert response.body.count(b"<secret>") >= PIECES[pieces].count(ROW_KEY)
    assert ROW_KEY in up.requests[0].head


@pytest.mark.parametrize("who", [CODEX, SDK])
async def test_row_key_in_each_of_several_reads_does_not_reach_the_client(who: bytes) -> None:
    answers, gates = ANSWERS_BY_PROTOCOL["chat"], [asyncio.Event(), asyncio.Event()]
    said = sse(chunk({"content": f"the key is {ROW_KEY.decode()}."}))

    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        for gate in gates:
            await exchange.chunk(said)
            await within(gate)
        await exchange.chunk(said)
        await exchange.chunk(answers.end)
        await exchange.end()

    async with (
        upstream(script) as up,
        engine(plans(answers, up.port)) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", row_body(), who)
        response = await c.head()
        got = b""
        for number, gate in enumerate(gates, 1):
            while got.count(b"output_text.delta") < 2 * number:
                got += await c.chunk()
            gate.set()
        got += (await c.rest(response)).body
    assert b"response.completed" in got
    assert ROW_KEY not in got
    assert got.count(b"<secret>") >= 3
