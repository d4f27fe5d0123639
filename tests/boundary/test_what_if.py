"""A comparison at the boundary: turns of a thread of their own, paid and counted, which change nothing for the user's thread."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from addons.adapters.system.local_token import ensure_token
from addons.adapters.system.paths import ledger_file, seen_contract_file
from addons.adapters.what_if.asking import Shim, ask_models
from addons.core.protocols.canonical.opaque_reasoning import MARK
from addons.core.what_if.answer import Answer
from addons.core.what_if.original import Original
from shim_cli.what_if.source import turn_of
from tests.boundary.cursor_shim import CursorHome, cursor_shim
from tests.boundary.surfaces import Home, Running, running
from tests.core.what_if.samples import body_of, original
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.http_messages import Gate
from tests.fakes.messages_upstream import MessagesUpstream
from tests.fakes.model_upstream import KEY, Held, Refuse, command, say
from tests.support.waiting import until

CODEX = (b"originator: codex_exec", b"thread-id: t1", b"session-id: t1")
PRICE = {"input": 8, "output": 14}
"""An answer of the fake upstreams then costs $0.010076."""


@dataclass
class Rows:
    """Two rows of different protocols."""

    chat: ChatUpstream
    messages: MessagesUpstream

    def write(self, home: Home, **settings: object) -> bytes:
        """Write the settings and the local token. Return the header that shows it."""
        chat = {"slug": "one", "model": "fake", "provider": "generic-chat-completion-api", "base_url": self.chat.base_url}  # fmt: skip
        claude = {"slug": "two", "model": "claude-sonnet-4-5", "provider": "anthropic", "base_url": self.messages.base_url}  # fmt: skip
        rows = [{**row, "api_key": KEY, "price": PRICE} for row in (chat, claude)]
        rows[0]["fallback"] = ["two"]
        home.settings.write_text(json.dumps({"models": rows, **settings}))
        home.settings.chmod(0o600)
        return b"x-codex-shim-token: " + ensure_token(home.env).encode()


@pytest.fixture
def rows() -> Iterator[Rows]:
    with ExitStack() as stack:
        yield Rows(stack.enter_context(ChatUpstream()), stack.enter_context(MessagesUpstream()))


def shim_of(proxy: Running, token: bytes) -> Shim:
    return Shim(f"http://{proxy.master.address}", token.decode().rpartition(" ")[2])


async def asked(proxy: Running, token: bytes, turn: Original, *slugs: str) -> list[Answer]:
    table = proxy.shim.sources.table()
    found = [route for slug in slugs if (route := table.resolve(slug))]
    answers: list[Answer] = []
    await ask_models(shim_of(proxy, token), turn, found, answers)
    return answers


async def last_turn(proxy: Running, token: bytes, selector: str = "LAST") -> Original:
    shim = shim_of(proxy, token)
    return await asyncio.to_thread(turn_of, selector, shim.url, shim.token)


def ledger_rows(home: Home) -> list[tuple[str, str, str, int]]:
    with closing(sqlite3.connect(ledger_file(home.env))) as db:
        return db.execute("SELECT agent, slug, thread, output FROM turns ORDER BY id").fetchall()


async def test_last_turn_is_asked_again_without_a_change_for_its_thread(
    home: Home, rows: Rows
) -> None:
    token = rows.write(home)
    foreign = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA" + "b" * 400}  # fmt: skip
    told = json.loads(body_of("two"))["input"]
    tool = {"type": "function", "name": "exec_command", "parameters": {"type": "object", "properties": {"cmd": {"type": "string"}}}}  # fmt: skip
    body = body_of("two", input=[foreign, *told], tools=[tool])
    rows.messages.play(say("As recorded."), say("Again."))
    rows.chat.play(say("I would look.", command("rm -rf /")))
    async with running(home) as proxy:
        assert b"As recorded." in (await proxy.post(body, *CODEX, token)).body
        turn = await last_turn(proxy, token)
        one, two = await asked(proxy, token, turn, "one", "two")
        again = await last_turn(proxy, token)
        assert turn.id == again.id == (await last_turn(proxy, token, turn.id[:8])).id
        threads = proxy.shim.engine.router._threads  # type: ignore[attr-defined]
        assert (threads.last_slug, list(threads._slugs)) == ("two", ["t1"])
    assert turn.answer
    assert (turn.answer.outcome, turn.answer.has_text) == ("completed", False)
    assert turn.answer.usage
    assert (one.outcome, one.text, one.calls[0].name) == ("completed", "I would look.", "exec_command")  # fmt: skip
    assert (one.provider, one.model) == ("generic-chat-completion-api", "fake")
    assert "reasoning" in str(one.left_out)
    assert (two.text, two.provider) == ("Again.", "anthropic")
    assert rows.messages.bodies[1] == rows.messages.bodies[0], "the same turn, byte for byte"
    (user, *compared) = ledger_rows(home)
    assert user == ("user", "two", "t1", 34)
    assert sorted((agent, slug, output) for agent, slug, _, output in compared) == [("what-if", "one", 34), ("what-if", "two", 34)]  # fmt: skip
    assert len({thread for _, _, thread, _ in compared} | {"t1"}) == 2, "one of its own"
    assert not seen_contract_file(home.env).exists() or b"what-if" not in seen_contract_file(home.env).read_bytes()  # fmt: skip


async def test_text_of_a_turn_needs_the_local_token(home: Home, rows: Rows) -> None:
    token = rows.write(home)
    rows.chat.play(say("hello"))
    async with running(home) as proxy:
        await proxy.post(body_of("one"), *CODEX, token)
        for line in ((), (b"x-codex-shim-token: wrong",)):
            refused = await proxy.get("/api/turns/original", *line)
            assert refused.status in {401, 403}
            assert b"input_text" not in refused.body
        assert b"input_text" in (await proxy.get("/api/turns/original", token)).body


async def test_comparison_counts_in_budgets_and_is_refused_by_them(home: Home, rows: Rows) -> None:
    token = rows.write(home, budgets=[{"per": "day", "dollars": 0.015}])
    rows.chat.default_answer = say("hello")
    async with running(home) as proxy:
        await until(proxy.shim.parts.budgets._is_ready)
        (first,) = await asked(proxy, token, original(), "one")
        (second,) = await asked(proxy, token, original(body_of(instructions="x" * 8000)), "one")
        report = proxy.shim.parts.budgets.report()
    assert first.is_complete
    assert second.outcome == "failed"
    assert "The budget day-dollars ($0.0150 per day) is used up" in second.message
    assert "budget lift" in second.message
    assert report[0]["spent"] == 0.010076
    assert len(rows.chat.bodies) == 1


async def test_fallback_of_a_row_answers_and_is_named(home: Home, rows: Rows) -> None:
    token = rows.write(home)
    rows.chat.play(Refuse(401, "no such key"))
    rows.messages.play(say("In its place."))
    async with running(home) as proxy:
        (answer,) = await asked(proxy, token, original(), "one")
    assert (answer.slug, answer.answered_by, answer.text) == ("one", "two", "In its place.")
    assert (answer.provider, answer.model) == ("anthropic", "claude-sonnet-4-5")


async def test_model_of_the_account_is_asked_with_the_login_and_without_foreign_reasoning(
    home: Home,
) -> None:
    home.log_in()
    token = b"x-codex-shim-token: " + ensure_token(home.env).encode()
    own = {"type": "reasoning", "id": "rs_shim_1", "summary": [], "encrypted_content": f"{MARK}abc"}
    body = body_of("row", input=[own, *json.loads(body_of())["input"]], client_metadata={"a": "b"})
    async with running(home) as proxy:
        (answer,) = await asked(proxy, token, original(body), "gpt-5.5")
        rejected = await asked(proxy, token, original(), "gpt-5.5")
    assert (answer.outcome, answer.provider, answer.is_on_plan) == ("completed", "chatgpt", True)
    assert answer.left_out == ["input[0]: reasoning of another upstream"]
    assert rejected[0].is_complete
    sent = [one for one in home.backend.requests if b"/responses" in one.line]
    assert [json.loads(one.body)["model"] for one in sent] == ["gpt-5.5", "gpt-5.5"]
    first = json.loads(sent[0].body)
    assert (first["store"], first["stream"], len(first["input"])) == (False, True, 1)
    assert "client_metadata" not in first
    assert (sent[0].header(b"authorization") or b"").startswith(b"Bearer ")
    assert sent[0].header(b"originator") == b"codex_exec"
    assert sent[0].header(b"codex-shim-purpose") is None, "no upstream gets it"
    assert sent[0].header(b"x-codex-shim-token") is None


async def test_stop_ends_the_upstream_work(home: Home, rows: Rows) -> None:
    token = rows.write(home)
    gate = Gate()
    rows.chat.play(Held(say("a long answer of many words"), b"a long", gate))
    async with running(home) as proxy:
        task = asyncio.ensure_future(asked(proxy, token, original(), "one"))
        await asyncio.to_thread(gate.wait_reached)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(rows.chat.client_left.wait, 10)
        await until(lambda: not proxy.shim.engine.running)


async def test_cursor_answers_without_the_right_to_act(tmp_path: Path) -> None:
    home = CursorHome(tmp_path, {"CODEX_SHIM_CURSOR_FORCE": "1"})
    async with cursor_shim(home) as shim:
        await shim.is_live()
        turn = original(shim.body("delete everything"))
        route = shim.shim.sources.table().resolve("composer-2-5")
        assert route
        answers: list[Answer] = []
        await ask_models(Shim(f"http://127.0.0.1:{shim.port}", ""), turn, [route], answers)
        await shim.turn("and now you may")
    compared, user = home.fake.turns
    assert answers[0].is_complete
    assert compared["argv"][-2:] == ["--mode", "ask"]
    assert user["argv"][-1] == "--force"
