"""Turns that a backend refuses, and backends that open no WebSocket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson
import pytest

from tests.boundary.masters import MASTERS, StartMaster
from tests.boundary.socket_turns import (
    EACH_MASTER,
    GOOD,
    Setup,
    body,
    kinds,
    login,
    setup,
)
from tests.fakes.socket_backend import Frame, SocketBackend, refuses, says_hi
from tests.support.upstream import Exchange

SERVE = MASTERS["serve"]
# Refusals of a turn -------------------------------------------------------------------------------------------


@EACH_MASTER
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_request_error"),
        (400, "previous_response_not_found"),
        (404, "model_not_found"),
        (429, "usage_limit_reached"),
        (500, "server_error"),
        (503, "server_is_overloaded"),
    ],
)
async def test_error_frame_becomes_a_status(
    start: StartMaster, tmp_path: Path, status: int, code: str
) -> None:
    headers = {"retry-after": "2", "content-length": "7", "x bad": "no", "x-codex-used": 42}
    backend = SocketBackend([refuses(status, code, headers=headers), says_hi])
    async with setup(start, tmp_path, backend) as shim:
        refused, good = await shim.ask("one"), await shim.ask("two")
    assert (refused.status, orjson.loads(refused.body)["error"]["code"]) == (status, code)
    assert refused.header(b"content-type") == b"application/json"
    assert (refused.header(b"retry-after"), refused.header(b"x-codex-used")) == (b"2", b"42")
    assert kinds(good) == GOOD
    # as Codex does, nothing else is sent on a connection that refused something
    assert (len(backend.upgrades), len(backend.paid), backend.posts) == (2, 2, [])


async def test_limits_that_come_before_a_refusal_change_nothing(tmp_path: Path) -> None:
    async def refuse(frame: Frame) -> None:
        await frame.send({"type": "codex.rate_limits", "rate_limits": {}})
        await frame.error(429, "usage_limit_reached")

    async with setup(SERVE, tmp_path, SocketBackend([refuse])) as shim:
        assert (await shim.ask("one")).status == 429


@pytest.mark.parametrize("status", [None, 99, 200, True])
async def test_error_frame_without_a_status_ends_the_turn(
    tmp_path: Path, status: int | None
) -> None:
    backend = SocketBackend([refuses(status, "server_error")])
    async with setup(SERVE, tmp_path, backend) as shim:
        answer = await shim.ask("one")
    assert (answer.status, kinds(answer)) == (200, ["error"])


async def test_error_frame_inside_an_answer_is_its_last_event(tmp_path: Path) -> None:
    async def fails(frame: Frame) -> None:
        await frame.created()
        await frame.error(429, "rate_limit_exceeded")

    async with setup(SERVE, tmp_path, SocketBackend([fails])) as shim:
        answer = await shim.ask("one")
    assert (answer.status, kinds(answer)) == (200, ["created", "error"])


@pytest.mark.parametrize("where", ["upgrade", "frame"])
async def test_401_is_tried_again_with_a_newer_login_only(tmp_path: Path, where: str) -> None:
    backend = SocketBackend([refuses(401, "token_expired"), says_hi])
    if where == "upgrade":
        backend.answers.pop(0)
        backend.login[b"authorization"] = b"Bearer newer-bearer"
    async with setup(SERVE, tmp_path, backend) as shim:
        shim.logins.newer = login("newer-bearer")
        if where == "frame":
            await _accept_newer_login_later(shim)
        answer = await shim.ask("one")
    assert kinds(answer) == GOOD
    assert backend.upgrades[-1].header(b"authorization") == b"Bearer newer-bearer"
    assert backend.posts == []


async def _accept_newer_login_later(shim: Setup) -> None:
    refuse = shim.backend.answers[0]

    async def refuse_old(frame: Frame) -> None:
        await refuse(frame)
        shim.backend.login[b"authorization"] = b"Bearer newer-bearer"

    shim.backend.answers[0] = refuse_old


@pytest.mark.parametrize("where", ["upgrade", "frame"])
async def test_401_without_a_newer_login_reaches_the_client(tmp_path: Path, where: str) -> None:
    backend = SocketBackend([refuses(401, "token_expired")])
    if where == "upgrade":
        backend.login[b"authorization"] = b"Bearer another"
    async with setup(SERVE, tmp_path, backend) as shim:
        answers = [await shim.ask("one"), await shim.ask("two")]
    assert [each.status for each in answers] == [401, 401]
    assert backend.posts == []


# No WebSocket -------------------------------------------------------------------------------------------------


def answers(status: bytes) -> Callable[[Exchange], Awaitable[bool]]:
    async def answer(exchange: Exchange) -> bool:
        await exchange.whole(b"{}", status=status)
        return True

    return answer


async def cuts(exchange: Exchange) -> bool:
    exchange.cut()
    return True


async def hangs(exchange: Exchange) -> bool:
    await exchange.closed()
    return True


async def proves_nothing(exchange: Exchange) -> bool:
    lines = (b"upgrade: websocket", b"connection: Upgrade", b"sec-websocket-accept: x")
    await exchange.head(*lines, status=b"101 Switching Protocols")
    await exchange.closed()
    return True


@EACH_MASTER
@pytest.mark.parametrize(
    "upgrade",
    [
        answers(b"200 OK"),
        answers(b"403 Forbidden"),
        answers(b"426 Upgrade Required"),
        answers(b"500 Internal Server Error"),
        cuts,
        hangs,
        proves_nothing,
    ],
    ids=["200", "403", "426", "500", "cut", "slow", "no proof"],
)
async def test_turn_without_a_websocket_goes_by_http(
    start: StartMaster, tmp_path: Path, upgrade: Callable[[Exchange], Awaitable[bool]]
) -> None:
    backend = SocketBackend(upgrade=upgrade)
    seconds = 0.5 if upgrade is hangs else 5.0
    async with setup(start, tmp_path, backend, connect_seconds=seconds) as shim:
        found = [await shim.ask("one"), await shim.ask("two")]
    assert [kinds(each) for each in found] == [["completed"]] * 2
    # the refusal is remembered
    assert (len(backend.upgrades), backend.paid) == (1, ["post", "post"])
    assert orjson.loads(backend.posts[0].body)["input"] == ["one"]
    assert backend.posts[0].header(b"authorization") == b"Bearer b4ckend-bearer"


async def test_warm_up_without_a_websocket_is_answered_here(tmp_path: Path) -> None:
    backend = SocketBackend(upgrade=answers(b"426 Upgrade Required"))
    async with setup(SERVE, tmp_path, backend, "auto") as shim:
        shim.came_as({**orjson.loads(body()), "generate": False})
        answer = await shim.ask()
    assert (kinds(answer), backend.paid) == (["created", "completed"], [])


async def test_frame_that_the_backend_cannot_read_goes_by_http(tmp_path: Path) -> None:
    async def is_too_large(frame: Frame) -> None:
        await frame.link.close(1009)

    backend = SocketBackend([is_too_large])
    async with setup(SERVE, tmp_path, backend) as shim:
        assert kinds(await shim.ask("one")) == ["completed"]
    assert backend.paid == ["frame", "post"]
