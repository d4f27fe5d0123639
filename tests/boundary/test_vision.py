"""Pictures for a model that takes none, at the boundary: described once by another model, and as text in every later turn."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import orjson
import pytest

from addons.adapters.route_sources import RouteSources
from addons.adapters.system.paths import ledger_file
from addons.adapters.vision.store import pictures_file
from tests.boundary.surfaces import DONE, Home, running
from tests.boundary.vision_line import (
    CODEX,
    Models,
    answer,
    models,
    picture,
    png,
    text,
    tool_step,
    turn,
    user,
)
from tests.fakes.http_messages import Gate
from tests.fakes.messages_upstream import MessagesUpstream
from tests.fakes.model_upstream import Held, Json, Refuse, say
from tests.support.client import client
from tests.support.upstream import Exchange, upstream
from tests.support.waiting import until

DESCRIPTION = '<picture described-by="eyes">\nA red button that says OK.\n</picture>'


@pytest.fixture
def two() -> Iterator[Models]:
    with models() as running_models:
        yield running_models


async def test_picture_is_described_once_and_stays_the_same_text(home: Home, two: Models) -> None:
    two.write(home)
    first = user(text("what is this?"), picture(png()))
    history = (first, answer("understood"), user(text("go on")))
    async with running(home) as proxy:
        shown = await turn(proxy, first)
        sent = two.sent
        await turn(proxy, *history)
    assert DESCRIPTION in str(sent[-1]["content"])
    assert two.sent[: len(sent)] == sent
    async with running(home) as proxy:
        again = await turn(proxy, *history)
    assert two.sent[: len(sent)] == sent
    assert len(two.eyes.bodies) == 1
    (message,) = [one for one in two.eyes.bodies[0]["messages"] if one["role"] == "user"]  # type: ignore[attr-defined]
    assert message["content"][1]["image_url"] == {"url": png(), "detail": "high"}
    assert b"A picture was described by eyes, because blind takes none." in shown.body
    assert b"was described" not in again.body
    assert b"response.completed" in shown.body
    assert b"PNG" not in pictures_file(home.env).read_bytes()
    assert pictures_file(home.env).stat().st_mode & 0o777 == 0o600


async def test_every_place_of_a_picture_is_described(home: Home, two: Models) -> None:
    two.write(home)
    linked = "https://example.com/cat.png"
    file: Json = {"type": "input_file", "filename": "a.png", "file_data": png(1)}
    items = [user(picture(png()), file), *tool_step(picture(png(2)), text("done"), picture(linked))]
    async with running(home) as proxy:
        await turn(proxy, *items)
    seen = sorted(str(one["messages"]).partition("'url': '")[2][:30] for one in two.eyes.bodies)
    assert len(seen) == 4
    assert seen[-1].startswith(linked[:27])
    assert two.sent_text.count("A red button that says OK.") == 4
    (tool,) = [one for one in two.sent if one["role"] == "tool"]
    assert str(tool["content"]).index("described-by") < str(tool["content"]).index("done")


async def test_messages_rows_work_as_well(home: Home) -> None:
    with models(MessagesUpstream) as two:
        two.write(home)
        async with running(home) as proxy:
            await turn(proxy, user(picture(png())))
        assert "A red button" in two.sent_text
        assert "'type': 'image'" in str(two.eyes.bodies)


async def test_two_turns_at_once_pay_for_one_description(home: Home, two: Models) -> None:
    two.write(home)
    gate = Gate()
    two.eyes.play(Held(say("A red button that says OK."), b"A red", gate))
    async with running(home) as proxy:
        turns = [
            asyncio.ensure_future(turn(proxy, user(picture(png())), thread=each)) for each in "ab"
        ]
        await until(lambda: len(two.eyes.bodies) == 1 and proxy.shim.engine.live_turns == 3)
        gate.open()
        await asyncio.gather(*turns)
    assert len(two.eyes.bodies) == 1
    assert len(two.blind.bodies) == 2
    assert all("A red button" in str(body) for body in two.blind.bodies)


async def test_failure_stays_a_note_in_its_thread_until_the_picture_is_sent_again(
    home: Home, two: Models
) -> None:
    two.write(home)
    two.eyes.play(Refuse(400, "the picture shows too much", "odd"))
    first, again = user(picture(png())), user(text("once more"), picture(png()))
    history = (first, answer("understood"), user(text("go on")))
    async with running(home) as proxy:
        shown = await turn(proxy, first)
        sent = two.sent
        await turn(proxy, *history)
        assert len(two.eyes.bodies) == 1
    assert b"response.completed" in shown.body
    assert "a picture was left out: eyes did not describe it: " in str(sent)
    assert "The picture was refused by the model that should describe it" in str(sent)
    assert "the picture shows too much" in str(sent)
    assert b"A picture was not described: The picture was refused" in shown.body
    assert two.sent[: len(sent)] == sent
    async with running(home) as proxy:
        await turn(proxy, *history, answer("understood"), again)
        assert len(two.eyes.bodies) == 2
        assert two.sent[: len(sent)] == sent
        assert DESCRIPTION in str(two.sent[-1]["content"])
        await turn(proxy, *history, answer("understood"), again, thread="t2")
    assert len(two.eyes.bodies) == 2
    assert two.sent_text.count("A red button") == 2


async def test_client_that_leaves_ends_the_request_for_the_description(
    home: Home, two: Models
) -> None:
    two.write(home)
    gate = Gate()
    two.eyes.play(Held(say("A red button."), b"A red", gate))
    async with running(home) as proxy:
        async with client(proxy.port) as c:
            body = {"model": "blind", "stream": True, "input": [user(picture(png()))]}
            await c.post("/v1/responses", orjson.dumps(body), CODEX)
            await until(lambda: len(two.eyes.bodies) == 1)
        await until(lambda: proxy.shim.engine.live_turns == 0)
        await until(two.eyes.client_left.is_set)
    gate.open()
    assert two.blind.bodies == []


async def test_what_no_model_can_read_is_a_note_that_costs_nothing(home: Home, two: Models) -> None:
    two.write(home)
    broken = [
        "data:image/png;base64,@@@@",
        "data:image/svg+xml;base64,PHN2Zz48L3N2Zz4=",
        "data:image/png,hi",
    ]
    async with running(home) as proxy:
        await turn(proxy, user(*map(picture, broken)))
    assert two.eyes.bodies == []
    assert two.sent_text.count("its data is no PNG, JPEG, GIF or WebP") == 3


async def test_description_is_a_turn_in_ledger_and_budgets(home: Home, two: Models) -> None:
    two.write(
        home, blind={"price": {"input": 0, "output": 0}}, budgets=[{"per": "day", "dollars": 0.03}]
    )
    async with running(home) as proxy:
        await until(lambda: bool(proxy.shim.parts.budgets.report()))
        for shade in range(4):
            await turn(proxy, user(picture(png(shade))), lines=(CODEX, b"session-id: s1"))
    assert len(two.eyes.bodies) == 3
    assert "The budget day-dollars ($0.03 per day) is used up" in two.sent_text
    with closing(sqlite3.connect(ledger_file(home.env))) as db:
        rows = db.execute(
            "SELECT slug, agent, thread, root, input, ok FROM turns ORDER BY id"
        ).fetchall()
    assert rows[:2] == [
        ("eyes", "picture", "t1", "s1", 1200, 1),
        ("blind", "user", "t1", "", 1200, 1),
    ]
    assert len(rows) == 7


async def test_unknown_model_leaves_a_note_and_pays_nothing(home: Home, two: Models) -> None:
    two.write(home, blind={"vision": "eyess"})
    async with running(home) as proxy:
        await turn(proxy, user(picture(png())))
        problems = proxy.shim.sources.problems
        two.write(home)
        await turn(proxy, user(picture(png())))
    assert any(
        "blind: vision: 'eyess' is no model. Did you mean 'eyes'?" in one for one in problems
    )
    assert "`vision` of blind: 'eyess' is no model" in str(two.blind.bodies[0])
    assert DESCRIPTION in str(two.sent[-1]["content"])


async def test_row_without_a_key_has_no_picture_described(home: Home, two: Models) -> None:
    two.write(home, blind={"api_key": None, "api_key_env": "NOT_SET_ANYWHERE", "enabled": True})
    async with running(home) as proxy:
        response = await turn(proxy, user(picture(png())))
    assert b"NOT_SET_ANYWHERE" in response.body
    assert two.eyes.bodies == two.blind.bodies == []


async def test_local_token_is_shown_by_the_request_for_a_description(
    home: Home, two: Models
) -> None:
    two.write(home)
    token = "local-token-of-this-user-0001"
    (home.folder / "state").mkdir(mode=0o700)
    (home.folder / "state" / "token").write_text(token)
    async with running(home) as proxy:
        lines = (CODEX, b"x-codex-shim-token: " + token.encode())
        await turn(proxy, user(picture(png())), lines=lines)
    assert DESCRIPTION in str(two.sent[-1]["content"])
    assert token not in str([request.headers for request in two.eyes.requests])


async def test_model_of_the_own_login_describes_with_that_login_alone(
    home: Home, two: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.write(home, blind={"vision": "gpt-5.5"})
    home.log_in()

    async def describes(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(
            b'data: {"type":"response.output_text.delta","delta":"A cat."}\n\n' + DONE
        )
        await exchange.end()

    async with upstream(describes) as backend:
        url = f"http://127.0.0.1:{backend.port}/codex"
        async with running(home, CODEX_SHIM_CHATGPT_BASE_URL=url) as proxy:
            foreign = b"authorization: Bearer eyJhbGciOiJub25lIn0.eyJmb3JlaWduIjoxfQ.foreign"
            await turn(proxy, user(picture(png())), lines=(CODEX, foreign))
            asked = [one for one in backend.requests if b"POST" in one.line]
            assert proxy.shim.sources.problems == ()
            monkeypatch.setattr(proxy.shim.parts, "_serves_one_user", lambda: False)
            proxy.shim.parts.use_sources(proxy.shim.sources)
            await turn(proxy, user(picture(png(1))))
            assert "described with the login of another user" in two.sent_text
    assert "A cat." in str(two.blind.bodies[0])
    (request,) = asked
    assert b"foreign" not in request.head
    assert b"codex-shim-purpose" not in request.head.lower()
    assert json.loads(request.body)["stream"] is True
    assert len([one for one in backend.requests if b"POST" in one.line]) == 1


async def test_model_that_cannot_describe_is_reported_when_the_settings_are_read(
    home: Home, two: Models
) -> None:
    cases = {
        "eyess": "'eyess' is no model. Did you mean 'eyes'?",
        "zebra": "'zebra' is no model. `codex-shim list` shows the models.",
        "blind": "'blind' is the row itself",
        "text": "'text' takes no pictures itself",
        "off": "'off' cannot be used now: It is switched off",
        "shim-demo": "'shim-demo' cannot be used now",
    }
    more = [two.row("text", no_image_support=True), two.row("off", enabled=False)]
    for slug, reason in cases.items():
        two.write(home, {"vision": slug}, more)
        problems = RouteSources(home.env, home.settings).problems
        assert [one for one in problems if f"blind: vision: {reason}" in one], (slug, problems)
        two.write(home, {"vision": None, "no_image_support": True}, more, vision=slug)
        problems = RouteSources(home.env, home.settings).problems
        is_own = slug == "blind"
        assert is_own or [one for one in problems if f": vision: {reason}" in one], (slug, problems)
    two.write(home, {"vision": "eyes"}, more, vision="eyes")
    assert RouteSources(home.env, home.settings).problems == ()


async def test_default_is_for_rows_that_take_no_pictures(home: Home, two: Models) -> None:
    two.write(home, {"vision": None, "no_image_support": True}, vision="eyes")
    async with running(home) as proxy:
        await turn(proxy, user(picture(png())))
        routes = proxy.shim.sources.table().routes
    assert DESCRIPTION in str(two.sent[-1]["content"])
    assert {slug: routes[slug].vision for slug in ("blind", "eyes")} == {
        "blind": "eyes",
        "eyes": "",
    }
    assert routes["blind"].entry["input_modalities"] == ["text", "image"]
    two.write(home, {"vision": None, "no_image_support": True})
    without = RouteSources(home.env, home.settings).table().routes["blind"]
    assert (without.vision, without.entry["input_modalities"]) == ("", ["text"])


async def test_text_that_a_model_gives_cannot_be_paid_for_without_its_picture(
    home: Home, two: Models
) -> None:
    two.write(home)
    two.eyes.default_answer = Refuse(400, "this model does not support image input")
    async with running(home) as proxy:
        for shade in range(3):
            await turn(proxy, user(picture(png(shade))))
    assert len(two.eyes.bodies) == 3
    assert two.sent_text.count("this model does not support image input") == 1
    assert "described-by" not in str(two.blind.bodies)
