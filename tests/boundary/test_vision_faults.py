"""What may go wrong while pictures are described: a kill, a lost client, a fallback, an upstream that repeats what it got."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import orjson
import pytest
from mitmproxy import ctx

from addons.adapters.vision.store import pictures_file
from addons.core.providers.vision import FOREIGN
from tests.boundary.surfaces import Home, running
from tests.boundary.vision_line import CODEX, Models, answer, models, picture, png, text, turn, user
from tests.fakes.http_messages import Gate
from tests.fakes.model_upstream import KEY, Held, Refuse, say
from tests.support.client import client
from tests.support.waiting import until
from tests.support.websocket import websocket

LINK = "https://pictures.example/private/cat.png?signature=fabricated-signature-0001"
TERMINAL = (b"event: response.completed", b"event: response.failed", b"event: response.incomplete")


@pytest.fixture
def two() -> Iterator[Models]:
    with models() as running_models:
        yield running_models


async def test_kill_while_a_picture_is_described_ends_both_turns(home: Home, two: Models) -> None:
    two.write(home)
    gate = Gate()
    two.eyes.play(Held(say("A red button."), b"A red", gate))
    async with running(home) as proxy:
        async with client(proxy.port) as c:
            body = {"model": "blind", "stream": True, "input": [user(picture(png()))]}
            await c.post("/v1/responses", orjson.dumps(body), CODEX)
            await until(lambda: len(two.eyes.bodies) == 1)
            (own,) = (t for t in proxy.shim.engine._turns.values() if t.record.slug == "blind")
            own.flow.kill()
            response = await c.response()
        await until(lambda: proxy.shim.engine.live_turns == 0)
        await until(two.eyes.client_left.is_set)
        gate.open()
        assert sum(map(response.body.count, TERMINAL)) == 1
        assert two.blind.bodies == []
        shown = await turn(proxy, user(picture(png())))
    assert sum(map(shown.body.count, TERMINAL)) == 1
    assert len(two.blind.bodies) == 1


async def test_reason_of_a_failure_repeats_no_address_picture_or_key(
    home: Home, two: Models
) -> None:
    two.write(home)
    secrets = (LINK, "fabricated-signature-0001", png()[22:], KEY)
    two.eyes.play(
        Refuse(400, f"cannot open {LINK} with {KEY}", "odd"),
        Refuse(400, f"odd bytes {png()} or {png()[22:]}", "odd"),
    )
    async with running(home) as proxy:
        shown = [await turn(proxy, user(picture(url))) for url in (LINK, png())]
        stored = pictures_file(home.env).read_bytes()
    for secret in secrets:
        assert secret not in json.dumps(two.blind.bodies), secret
        assert secret.encode() not in stored
        assert all(secret.encode() not in one.body for one in shown)
    assert "cannot open" in json.dumps(two.blind.bodies)


async def test_long_reason_is_shortened(home: Home, two: Models) -> None:
    two.write(home)
    two.eyes.play(Refuse(400, "no such picture. " * 10_000, "odd"))
    async with running(home) as proxy:
        shown = await turn(proxy, user(picture(png())))
    assert b"A picture was not described" in shown.body
    assert len(shown.body) < 10_000


async def test_turn_on_a_websocket_has_its_pictures_described(home: Home, two: Models) -> None:
    two.write(home)
    first = user(text("what is this?"), picture(png()))
    async with running(home) as proxy, websocket(proxy.port, CODEX, b"thread-id: t1") as socket:
        events = await socket.ask(model="blind", input=[first])
        assert events[-1]["type"] == "response.completed"
        sent = two.sent
        last = events[-1]["response"]["id"]
        more = await socket.ask(model="blind", input=[user(text("on"))], previous_response_id=last)
        assert more[-1]["type"] == "response.completed"
    assert len(two.eyes.bodies) == 1
    assert two.sent[: len(sent)] == sent


async def test_id_of_a_thread_that_is_no_header_value_fails_no_turn(
    home: Home, two: Models
) -> None:
    two.write(home)
    odd = {"thread-id": "a\r\nx-evil: 1", "session-id": "ü\x00"}
    async with running(home) as proxy, websocket(proxy.port, CODEX) as socket:
        events = await socket.ask(model="blind", input=[user(picture(png()))], client_metadata=odd)
        assert events[-1]["type"] == "response.completed"
    assert all(b"x-evil" not in one.head for one in two.eyes.requests)


async def test_fallback_that_takes_no_pictures_gets_the_description(
    home: Home, two: Models
) -> None:
    first = two.row("first", fallback=["blind"])
    two.write(home, more=[first])
    body = {"model": "first", "stream": True, "input": [user(text("see"), picture(png()))]}
    two.eyes.play(Refuse(401, "no such key"))
    async with running(home) as proxy:
        response = await proxy.post(orjson.dumps(body), CODEX, b"thread-id: t1")
        await until(lambda: proxy.shim.engine.live_turns == 0)
    assert sum(map(response.body.count, TERMINAL)) == 1
    assert b"response.completed" in response.body
    assert b"A picture became text" in response.body
    assert b"Another model answers" in response.body
    assert "A red button" in two.sent_text
    added = [
        json.loads(line[6:])["output_index"]
        for line in response.body.splitlines()
        if line.startswith(b'data: {"type":"response.output_item.added"')
    ]
    assert added == list(range(len(added)))


async def test_describing_model_whose_fallback_takes_no_pictures_is_not_asked_in_a_circle(
    home: Home, two: Models
) -> None:
    two.write(home, more=[two.row("ring", fallback=["blind"])], blind={"vision": "ring"})
    two.eyes.default_answer = Refuse(401, "no such key")
    async with running(home) as proxy:
        response = await turn(proxy, user(picture(png())))
    assert b"response.completed" in response.body
    assert (len(two.eyes.bodies), len(two.blind.bodies)) == (1, 1)


async def test_damaged_file_fails_no_turn_and_is_put_aside(home: Home, two: Models) -> None:
    two.write(home)
    history = (user(picture(png())), answer("understood"), user(text("go on")))
    async with running(home) as proxy:
        await turn(proxy, *history[:1])
    path = pictures_file(home.env)
    page = 4096
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA page_size").fetchone() == (page,)
    data = bytearray(path.read_bytes())
    data[page:] = b"\xa5" * (len(data) - page)
    path.write_bytes(data)
    async with running(home) as proxy:
        assert b"response.completed" in (await turn(proxy, *history)).body
        await turn(proxy, *history)
    async with running(home) as proxy:
        await turn(proxy, *history)
    assert len(two.eyes.bodies) == 2
    assert path.with_name(f"{path.name}.broken").exists()


async def test_login_describes_for_other_machines_with_a_local_token_alone(
    home: Home, two: Models
) -> None:
    two.write(home, blind={"vision": "gpt-5.5"})
    home.log_in()
    async with running(home) as proxy:
        vision = proxy.shim.sources.row_routes.vision
        blind = proxy.shim.sources.table().routes["blind"]
        assert vision.problem(blind) == ""
        ctx.options.update(codex_shim_allow_remote=True)
        assert vision.problem(blind) == FOREIGN
        (home.folder / "state").mkdir(mode=0o700, exist_ok=True)
        (home.folder / "state" / "token").write_text("local-token-of-this-user-0001")
        await until(lambda: vision.problem(blind) == "")
        ctx.options.update(codex_shim_allow_remote=False)
