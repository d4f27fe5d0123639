"""Turns through cursor-agent over real sockets: what it may do, and that each ends once, and whole."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.http import HTTPFlow

from addons.adapters.system.guarded_process import Child, Command
from addons.views.turn_data import TurnData
from tests.boundary.cursor_shim import CursorHome, cursor_shim
from tests.conformance import check, parse
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
    "auth_without_line_end": "cursor-agent login",
    "hangs_logged_out": "cursor-agent login",
    "quota": "12/1/2026",
    "capacity": "try again in 20s",
    "model": "cursor-agent models",
    "plan": "CODEX_SHIM_CURSOR_MODEL=auto",
    "trust": "does not trust the folder",
    "option": "cursor-agent update",
    "failed_result": "something went wrong upstream",
    "failed_result_auth": "cursor-agent login",
    "crash": "signal 11",
    "acts_then_crashes": "check what it changed",
    "nothing": "exit code 0",
    "silent_end": "exit code 0",
    "hang_before_init": "did not begin within 1.5 s",
    "hang_in_the_middle": "printed nothing within 1.5 s",
    "deaf": "printed nothing within 1.5 s",
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


async def test_program_removed_between_two_turns_is_reported(home: CursorHome) -> None:
    home.more = {"CODEX_SHIM_CURSOR_STATUS_SECONDS": "60"}
    async with cursor_shim(home) as shim:
        await shim.is_live()
        (home.fake.bin / "cursor-agent").unlink()
        terminal = check((await shim.turn()).body)
    assert terminal["type"] == "response.failed"
    assert "cannot be run: No such file or directory" in terminal["response"]["error"]["message"]
    assert not home.fake.turns


async def test_failed_fork_is_reported(home: CursorHome, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(_: Command) -> Child:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    async with cursor_shim(home) as shim:
        await shim.is_live()
        with monkeypatch.context() as patch:
            patch.setattr(Child, "start", full)
            failed = check((await shim.turn()).body)
        assert check((await shim.turn()).body)["type"] == "response.completed"
    assert "Resource temporarily unavailable" in failed["response"]["error"]["message"]


async def test_repeated_text_appears_once(home: CursorHome) -> None:
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
        "OPENAI_API_KEY": "openai-canary-55ee",
        "MY_PASSWORD": "password-canary-66ff",
        "ODD_NAME": "row-canary-77aa",
        "CODEX_SHIM_CURSOR_ENV": "GITHUB_TOKEN, CURSOR_API_KEY",
        "GITHUB_TOKEN": "wanted-by-the-user",
        "SOMETHING_ELSE": "stays",
    }
    row = {"model": "m", "provider": "deepseek", "api_key_env": "ODD_NAME"}
    (home.folder / "models.json").write_text(json.dumps([row]))
    async with cursor_shim(home) as shim:
        await shim.is_live()
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
    assert turn["env"]["GITHUB_TOKEN"] == "wanted-by-the-user"
    assert turn["env"]["HOME"] == str(home.home)
    assert "canary" not in caplog.text
    logs = home.folder / "state"
    assert not [p for p in logs.rglob("*") if p.is_file() and b"canary" in p.read_bytes()]


async def test_disconnect_ends_the_child(home: CursorHome) -> None:
    home.fake.play("hang_in_the_middle")
    async with cursor_shim(home) as shim:
        await shim.is_live()
        async with client(shim.port) as c:
            await shim.begins(c)
            # what it says comes while it runs
            while b"I begin, " not in await c.chunk():
                pass
            assert home.fake.alive
            c.abort()
        await shim.all_gone()


async def test_shutdown_ends_the_children(home: CursorHome) -> None:
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


async def test_prompt_and_output_lines_are_captured_where_flows_are_shown(
    home: CursorHome,
) -> None:
    async with cursor_shim(home) as shim:
        await shim.is_live()
        flows: list[HTTPFlow] = []
        ended = shim.shim.response

        def response(flow: HTTPFlow) -> None:
            flows.append(flow)
            ended(flow)

        shim.shim.__dict__["response"] = response
        await shim.turn("kept nowhere")
        shim.shim.engine.capture_bytes = 1_000_000
        await shim.turn("kept with the flow")
    unseen, seen = [TurnData.parse(flow.metadata["codex_shim"]) for flow in flows]
    assert unseen
    assert unseen.attempts[0].request.body is None
    assert seen
    [attempt] = seen.attempts
    assert (attempt.request.method, attempt.url, attempt.outcome) == (
        "RUN",
        "cursor-agent --model composer-2.5",
        "200",
    )
    assert attempt.request.body == home.fake.turns[1]["prompt"].encode()
    assert attempt.answer
    assert b'"type": "result"' in (attempt.answer.body or b"")


async def test_a_second_child_starts_when_the_first_has_begun(home: CursorHome) -> None:
    """They write the same settings file at their start."""
    home.fake.play("waits_to_begin")
    async with cursor_shim(home) as shim:
        await shim.is_live()
        turns = [asyncio.ensure_future(shim.turn(f"turn {n}")) for n in range(3)]
        for number in range(3):
            await until(lambda number=number: len(home.fake.turns) == number + 1)  # type: ignore[misc]
            assert shim.shim.sources.cursor.runner.starting.locked()
            (home.fake.notes / f"begin-{number}").touch()
        answers = [text_of(parse((await turn).body)) for turn in turns]
    assert sorted(answers) == [f"Answer {n} of Cursor. " for n in range(3)]


async def test_who_waits_for_a_place_is_kept_alive_and_may_leave(
    home: CursorHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("addons.adapters.cursor.runner.TICK_SECONDS", 0.1)
    home.more = {
        "CODEX_SHIM_CURSOR_MAX_CONCURRENT": "1",
        "CODEX_SHIM_HEARTBEAT_SECONDS": "0.2",
        "CODEX_SHIM_STALL_SECONDS": "1.5",
    }
    home.fake.play("slow")
    async with cursor_shim(home) as shim:
        await shim.is_live()
        first = asyncio.ensure_future(shim.turn("first"))
        await until(lambda: home.fake.at_work)
        third = asyncio.ensure_future(shim.turn("third"))
        async with client(shim.port) as second:
            await shim.begins(second)
            # longer than the stall limit
            for _ in range(10):
                while b"heartbeat" not in await second.chunk():
                    pass
            second.abort()
        home.fake.go()
        answers = {text_of(parse((await turn).body)) for turn in (first, third)}
        assert answers == {"Answer 0 of Cursor. ", "Answer 1 of Cursor. "}
        assert text_of(parse((await shim.turn("fourth")).body)) == "Answer 2 of Cursor. "
    assert len(home.fake.turns) == 3


async def test_a_turn_that_never_ends_is_ended(home: CursorHome) -> None:
    home.more = {"CODEX_SHIM_CURSOR_TOTAL_SECONDS": "1.5"}
    home.fake.play("endless")
    async with cursor_shim(home) as shim:
        await shim.is_live()
        terminal = check((await shim.turn()).body)
        await shim.all_gone()
    assert "did not finish within 1.5 s" in terminal["response"]["error"]["message"]


async def test_client_without_streaming_gets_one_json_response(home: CursorHome) -> None:
    async with cursor_shim(home) as shim:
        await shim.is_live()
        response = await shim.post(shim.body(stream=False, store=True))
        answer = json.loads(response.body)
        assert (answer["status"], answer["model"]) == ("completed", "composer-2-5")
        more = shim.body("more", stream=False, previous_response_id=answer["id"])
        again = json.loads((await shim.post(more)).body)
    assert again["status"] == "completed"
    assert "Answer 0 of Cursor." in home.fake.turns[1]["prompt"]


async def test_new_settings_leave_running_turns_and_their_count_alone(home: CursorHome) -> None:
    home.fake.play("slow")
    async with cursor_shim(home) as shim:
        await shim.is_live()
        turn = asyncio.ensure_future(shim.turn())
        await until(lambda: home.fake.at_work)
        runner = shim.shim.sources.cursor.runner
        shim.master.options.update(codex_shim_settings=str(home.folder / "other.json"))
        assert shim.shim.sources.cursor.runner is runner
        home.fake.go()
        assert check((await turn).body)["type"] == "response.completed"


async def test_kill_in_mitmproxy_ends_the_child(home: CursorHome) -> None:
    home.fake.play("stubborn_in_the_middle")
    async with cursor_shim(home) as shim:
        await shim.is_live()
        async with client(shim.port) as c:
            await shim.begins(c)
            while b"I begin, " not in await c.chunk():
                pass
            [turn] = shim.shim.engine._turns.values()
            turn.flow.kill()
            rest = b""
            while part := await c.chunk():
                rest += part
            assert rest.count(b"event: response.failed") == 1
        await shim.all_gone()
