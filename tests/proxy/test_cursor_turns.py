"""Turns through cursor-agent over real sockets: what it may do, and that each ends once, and whole."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import check, parse
from tests.proxy.cursor_shim import CursorHome, cursor_shim
from tests.support.client import client
from tests.support.waiting import until

QUICK = {
    "CODEX_SHIM_CURSOR_START_SECONDS": "1.5",
    "CODEX_SHIM_CURSOR_IDLE_SECONDS": "1.5",
    "CODEX_SHIM_CURSOR_EXIT_SECONDS": "1",
}


@pytest.fixture
def home(tmp_path: Path) -> CursorHome:
    return CursorHome(tmp_path)


def text_of(events: list[dict[str, Any]]) -> str:
    return "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")


def reasoning_of(events: list[dict[str, Any]]) -> str:
    kind = "response.reasoning_summary_text.delta"
    return "".join(e["delta"] for e in events if e["type"] == kind)


async def test_a_turn(home: CursorHome) -> None:
    async with cursor_shim(home) as shim:
        await shim.is_live()
        assert await shim.slugs() == ["composer-2-5", "composer-2-5-fast"]
        response = await shim.turn("what is here?")
        terminal = check(response.body)
        events = parse(response.body)
    assert terminal["type"] == "response.completed"
    assert text_of(events) == "Answer 0 of Cursor. "
    assert reasoning_of(events) == "Reading the request."
    assert terminal["response"]["usage"]["input_tokens"] == 14948 + 7049
    [turn] = home.fake.turns
    assert turn["cwd"] == str(home.project)
    assert turn["argv"] == [
        *("--print", "--output-format", "stream-json", "--stream-partial-output", "--trust"),
        *("--workspace", str(home.project), "--model", "composer-2.5"),
    ]


ENDS = {
    "answer": "",
    "traps": "",
    "no_partials": "",
    "garbage": "",
    "huge": "",
    "mirrored": "",
    "many": "",
    "orphan": "",
    "hang_after_result": "",
    "race": "",
    "mirrored_failure": "boom: it broke",
    "auth": "cursor-agent login",
    "auth_on_stdout": "cursor-agent login",
    "quota": "12/1/2026",
    "capacity": "try again in 20s",
    "model": "cursor-agent models",
    "plan": "CODEX_SHIM_CURSOR_MODEL=auto",
    "trust": "does not trust the folder",
    "option": "cursor-agent update",
    "failed_result": "something went wrong upstream",
    "failed_result_auth": "cursor-agent login",
    "crash": "signal 11",
    "acts_then_crashes": "look at what it changed",
    "nothing": "exit code 0",
    "silent_end": "exit code 0",
    "hang_before_init": "did not begin within 1.5 s",
    "hang_in_the_middle": "said nothing within 1.5 s",
    "deaf": "said nothing within 1.5 s",
    "stubborn": "",
    "orphan_without_result": "exit code 0",
    "closes_stdout": "closed its output",
    "foreign_key": "not your login",
}


@pytest.mark.parametrize("scenario", ENDS)
async def test_each_way_to_end_gives_one_terminal_event_and_leaves_nothing(
    home: CursorHome, scenario: str
) -> None:
    home.more = QUICK
    home.fake.play(scenario)
    async with cursor_shim(home) as shim:
        await shim.is_live()
        response = await shim.turn("x" * 300_000)
        terminal = check(response.body)
        await until(lambda: home.fake.turns)
        await shim.all_gone()
    expected = ENDS[scenario]
    kind = "response.failed" if expected else "response.completed"
    assert terminal["type"] == kind, terminal
    if expected:
        assert expected in terminal["response"]["error"]["message"]


async def test_what_repeats_is_told_once(home: CursorHome) -> None:
    home.fake.play("traps")
    async with cursor_shim(home) as shim:
        await shim.is_live()
        events = parse((await shim.turn()).body)
    messages = [
        "".join(part["text"] for part in event["item"]["content"])
        for event in events
        if event["type"] == "response.output_item.done" and event["item"]["type"] == "message"
    ]
    assert messages == ["110100haha", "done.", "done."]
    assert "Reading /w/a.py" in reasoning_of(events)
    assert "refused by Cursor's policy: not allowed" in reasoning_of(events)


async def test_keys_and_the_prompt_stay_where_they_belong(
    home: CursorHome, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    home.more = {
        "CURSOR_API_KEY": "key-canary-11aa",
        "CURSOR_AUTH_TOKEN": "token-canary-22bb",
        "CODEX_SHIM_WHATEVER": "own-canary-33cc",
        "SOMETHING_ELSE": "stays",
    }
    async with cursor_shim(home) as shim:
        await shim.is_live()
        home.more["HTTPS_PROXY"] = f"http://127.0.0.1:{shim.port}"
        secret = "prompt-canary-44dd"
        response = await shim.turn(secret)
    assert check(response.body)["type"] == "response.completed"
    [turn] = home.fake.turns
    assert not (home.fake.notes / "leaked").exists()
    assert turn["sha256"] == hashlib.sha256(turn["prompt"].encode()).hexdigest()
    assert secret in turn["prompt"]
    assert secret not in str(turn["argv"])
    assert secret not in str(turn["env"])
    assert "canary" not in str(turn["env"])
    assert turn["env"]["SOMETHING_ELSE"] == "stays"
    assert turn["env"]["HOME"] == str(home.home)
    assert "canary" not in caplog.text
    logs = home.folder / "state"
    assert not [p for p in logs.rglob("*") if p.is_file() and b"canary" in p.read_bytes()]


async def test_a_client_that_leaves_takes_the_child_with_it(home: CursorHome) -> None:
    home.fake.play("hang_in_the_middle")
    async with cursor_shim(home) as shim:
        await shim.is_live()
        async with client(shim.port) as c:
            await shim.begins(c)
            await until(lambda: home.fake.turns)
            assert home.fake.alive
            c.abort()
        await shim.all_gone()


async def test_a_shutdown_takes_the_children_with_it(home: CursorHome) -> None:
    home.more = {"CODEX_SHIM_DRAIN_SECONDS": "0.2"}
    home.fake.play("stubborn")
    async with cursor_shim(home) as shim, client(shim.port) as c:
        await shim.is_live()
        home.fake.play("hang_in_the_middle")
        await shim.begins(c)
        await until(lambda: home.fake.turns)


async def test_no_more_than_the_limit_run_at_once(home: CursorHome) -> None:
    home.fake.play("slow")
    async with cursor_shim(home) as shim:
        await shim.is_live()
        turns = [asyncio.ensure_future(shim.turn(f"turn {n}")) for n in range(8)]
        await until(lambda: home.fake.at_work == 4)
        most = 0

        def all_done() -> bool:
            nonlocal most
            most = max(most, home.fake.at_work)
            return all(turn.done() for turn in turns)

        for _ in range(100):
            assert not all_done()
            await asyncio.sleep(0)
        home.fake.go()
        await until(all_done)
        answers = [text_of(parse((await turn).body)) for turn in turns]
    assert most == 4
    assert sorted(answers) == [f"Answer {n} of Cursor. " for n in range(8)]
    assert len(home.fake.turns) == 8
