"""What comes in: malformed, oversized and hostile requests are refused in JSON, and nothing of them is echoed."""

import asyncio
import contextlib
import logging
from dataclasses import replace

import pytest
from mitmproxy import http
from mitmproxy.proxy import commands

from addons.core.errors import Problem
from addons.core.turn import Sink
from tests.boundary.scripts import BODY, DONE, EVENT, local_stream, turn
from tests.support.client import client
from tests.support.engine import QUICK, Running, engine, to_ports
from tests.support.upstream import upstream
from tests.support.waiting import LONGEST, until

SECRET = b"client-secret-93ab"
AUTH = b"authorization: Bearer " + SECRET + b"\r\n"
LIMIT = QUICK.body_bytes


async def whole(sink: Sink) -> None:
    await sink.write(EVENT + DONE)


async def silent(sink: Sink) -> None:
    await sink.write(EVENT)
    await asyncio.Event().wait()


BAD_HEADS = {
    "no version": b"GET /\r\n" + AUTH + b"\r\n",
    "bad version": b"GET / HTTP/x\r\n" + AUTH + b"\r\n",
    "one word": b"Bearer-" + SECRET + b"\r\n\r\n",
    "line without colon": b"GET / HTTP/1.1\r\nhost: x\r\nBearer " + SECRET + b"\r\n\r\n",
    "empty name": b"GET / HTTP/1.1\r\nhost: x\r\n: " + SECRET + b"\r\n\r\n",
    "bad length": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: z\r\n" + AUTH + b"\r\n",
    "two lengths": b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n"
    + AUTH
    + b"\r\n",
    "length and chunked": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n"
    b"transfer-encoding: chunked\r\n" + AUTH + b"\r\n0\r\n\r\n",
    "unknown encoding": b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: x\r\n" + AUTH + b"\r\n",
    "folded line": b"GET / HTTP/1.1\r\nhost: x\r\nx: a\r\n\tb\r\nb ad: c\r\n" + AUTH + b"\r\n",
    "name with blank": b"GET / HTTP/1.1\r\nhost: x\r\nauthorization : " + SECRET + b"\r\n\r\n",
    "connect": b"CONNECT example.org:443 HTTP/1.1\r\nhost: x\r\n" + AUTH + b"\r\n",
}


@pytest.mark.parametrize("head", BAD_HEADS.values(), ids=BAD_HEADS.keys())
async def test_bad_head_is_refused_in_json_without_an_echo(
    head: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        await c.send(head)
        response = await c.response()
        assert await c.eof() == b""
        assert proxy.engine.live_turns == 0
    assert (response.status, response.header(b"content-type")) == (400, b"application/json")
    assert response.header(b"connection") == b"close"
    assert SECRET not in response.head + response.body
    assert SECRET.decode() not in caplog.text
    assert SECRET.decode() not in str([flow.get_state() for flow in proxy.addon.flows])
    assert up.connections == 0


async def test_endless_head_is_refused_at_its_limit() -> None:
    async with engine(to_ports()) as proxy, client(proxy.port) as c:
        await c.send(b"GET / HTTP/1.1\r\nx: " + b"y" * (QUICK.head_bytes + 100_000))
        response = await c.response()
    assert (response.status, b"request_head_too_large" in response.body) == (431, True)


async def test_half_sent_head_is_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with engine(to_ports()) as proxy:
        async with client(proxy.port) as c:
            await c.send(b"POST / HTTP/1.1\r\n" + AUTH)
            c.writer.write_eof()
            assert await c.eof() == b""
        await until(lambda: "client disconnect" in caplog.text)
    assert SECRET.decode() not in caplog.text
    assert "withheld" in caplog.text


async def too_large_answer(proxy: Running, head: bytes, *parts: bytes) -> bytes:
    async with client(proxy.port) as c:
        await c.send(head)
        for part in parts:
            await c.send(part)
        response = await c.response()
    assert response.header(b"content-type") == b"application/json"
    assert response.header(b"connection") == b"close"
    assert b"request_too_large" in response.body
    assert response.status == 413
    return response.body


async def test_body_over_the_limit_by_its_length_is_refused_before_it_comes() -> None:
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy:
        head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (LIMIT + 1)
        await too_large_answer(proxy, head)
        assert up.connections == 0
        assert proxy.addon.log[-2:] == ["requestheaders", "response"]


async def test_body_over_the_limit_by_growth_is_refused() -> None:
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy:
        head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        part = b"%x\r\n%s\r\n" % (50_000, b"x" * 50_000)
        await too_large_answer(proxy, head, *[part] * (LIMIT // 50_000 + 1), b"0\r\n\r\n")
        assert up.connections == 0
        assert proxy.engine.live_turns == 0


async def test_body_at_the_limit_passes() -> None:
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        await c.post("/v1/responses", b"x" * LIMIT)
        assert (await c.response()).status == 200
    assert up.requests[0].body == b"x" * LIMIT


@pytest.mark.parametrize("refused_at", ["size", "head"])
async def test_endless_sender_is_cut_off_at_twice_the_limit(refused_at: str) -> None:
    async with engine(to_ports()) as proxy, client(proxy.port) as c:
        if refused_at == "head":
            proxy.addon.refusal = Problem(403, "no", "no")
        await c.send(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        part = b"%x\r\n%s\r\n" % (10_000, b"x" * 10_000)
        sent = 0
        async with asyncio.timeout(5):
            while not c.writer.is_closing():
                with contextlib.suppress(ConnectionError):
                    await c.send(part)
                sent += 10_000
                await asyncio.sleep(0)
        assert LIMIT <= sent < 100 * LIMIT
        await until(lambda: not proxy.layers)


async def test_refusal_by_admission_is_sent_and_closes() -> None:
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        proxy.addon.refusal = Problem(403, "forbidden", "Not for you.")
        await c.post("/v1/responses", BODY)
        response = await c.response()
        assert await c.eof() == b""
    assert (response.status, b"Not for you." in response.body) == (403, True)
    assert up.connections == 0


async def test_absolute_form_reaches_the_plan_as_a_path_and_no_other_host() -> None:
    async with (
        upstream(turn) as up,
        upstream(turn) as trap,
        engine(to_ports(up.port)) as proxy,
        client(proxy.port) as c,
    ):
        target = b"http://127.0.0.1:%d/v1/responses" % trap.port
        await c.send(b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}" % target)
        assert (await c.response()).status == 200
    assert trap.connections == 0
    assert proxy.router.requests[0].path == "/v1/responses"


async def test_expect_continue_is_answered() -> None:
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        await c.send(
            b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"
        )
        assert (await c.head()).status == 100
        await c.send(b"{}")
        assert (await c.response()).status == 200
    assert up.requests[0].header(b"expect") is None


async def test_answer_of_another_addon_is_given_with_one_length() -> None:
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        answer = http.Response.make(418, b"teapot", {"content-type": "text/plain"})
        proxy.addon.acts["request"] = lambda flow: setattr(flow, "response", answer)
        await c.post("/v1/responses", BODY)
        response = await c.response()
    assert (response.status, response.body) == (418, b"teapot")
    assert response.head.lower().count(b"content-length") == 1
    assert up.connections == 0


async def test_addon_that_wants_the_body_streamed_changes_nothing() -> None:
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        proxy.addon.acts["requestheaders"] = lambda flow: setattr(flow.request, "stream", True)
        await c.post("/v1/responses", BODY)
        assert (await c.response()).status == 200
        assert proxy.addon.flows[0].request.content == up.requests[0].body == BODY


@pytest.mark.parametrize("over", [0, 1])
async def test_head_is_measured_alone(over: int) -> None:
    """Its end, or a body behind it, may arrive in the same read."""
    start, end = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\nx: ", b"\r\n\r\n"
    head = start + b"y" * (QUICK.head_bytes + over - len(start + end)) + end
    body = b"x" * 100_000
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        for _ in range(1 if over else 2):
            await c.send(head + body)
            response = await c.response()
            assert response.status == (431 if over else 200)
    assert len(up.requests) == (0 if over else 2)


async def test_head_that_is_never_finished_has_a_deadline() -> None:
    async with (
        engine(local_stream(whole), replace(QUICK, head_seconds=0.1)) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        assert (await c.response()).status == 200
        await asyncio.sleep(0.3)
        await c.post("/v1/responses", BODY)
        assert (await c.response()).status == 200
        await c.send(b"POST / HTTP/1.1\r\nx: half")
        response = await c.response()
        assert await c.eof() == b""
    assert (response.status, b"request_timeout" in response.body) == (408, True)
    assert response.header(b"connection") == b"close"


async def test_head_in_two_parts_is_in_time() -> None:
    async with (
        engine(local_stream(whole), replace(QUICK, head_seconds=1.0)) as proxy,
        client(proxy.port) as c,
    ):
        await c.send(b"POST / HTTP/1.1\r\nhost: x\r\n")
        await until(lambda: proxy.layers and proxy.layers[0].command_sources)
        await c.send(b"content-length: 2\r\n\r\n{}")
        assert (await c.response()).status == 200
        await until(lambda: not proxy.layers[0].command_sources)
        await c.post("/v1/responses", BODY)
        assert (await c.response()).status == 200


async def test_broken_chunks_of_a_request_are_reported() -> None:
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        await c.send(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n")
        await until(lambda: proxy.engine.live_turns)
        await c.send(b"zz\r\n")
        response = await c.response()
        assert await c.eof() == b""
        assert proxy.engine.live_turns == 0
    assert (response.status, b"bad_request" in response.body) == (400, True)
    assert up.connections == 0


async def test_client_that_sends_on_while_it_is_answered_is_cut_off() -> None:
    limits = replace(QUICK, heartbeat_seconds=30, stall_seconds=30)
    sent = 0
    async with engine(local_stream(silent), limits) as proxy, client(proxy.port) as c:
        await c.post("/v1/responses", BODY)
        await c.head()
        async with asyncio.timeout(LONGEST):
            while not c.writer.is_closing() and proxy.engine.live_turns:
                with contextlib.suppress(ConnectionError):
                    await c.send(b"x" * 10_000)
                sent += 10_000
                await asyncio.sleep(0)
        assert sent > LIMIT + QUICK.head_bytes
        await until(lambda: not proxy.layers and proxy.engine.live_turns == 0)


@pytest.mark.parametrize("ahead", [len(BODY), 1, 0])
async def test_only_a_body_that_is_not_there_has_a_deadline(
    ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays: list[float] = []
    usual = commands.RequestWakeup.__init__

    def note(wakeup: commands.RequestWakeup, delay: float) -> None:
        delays.append(delay)
        usual(wakeup, delay)

    monkeypatch.setattr(commands.RequestWakeup, "__init__", note)
    limits = replace(QUICK, body_seconds=7.25)
    async with engine(local_stream(whole), limits) as proxy, client(proxy.port) as c:
        head = b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
        await c.send(head % len(BODY) + BODY[:ahead])
        await until(lambda: proxy.addon.flows)
        await c.send(BODY[ahead:])
        assert (await c.response()).status == 200
    assert (7.25 in delays) == (ahead < len(BODY))
