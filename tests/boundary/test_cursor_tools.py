"""Codex's tools through a cursor-agent that only speaks, over real sockets and with real children."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.boundary.cursor_shim import CursorHome, CursorShim, cursor_shim
from tests.conformance import check

TOOLS = [
    {"type": "function", "name": "exec_command", "description": "Runs.", "parameters": {"type": "object"}},
    {"type": "custom", "name": "apply_patch", "description": "Patches."},
]  # fmt: skip
LS = '```codex-call-KEY\n{"name": "exec_command", "arguments": {"cmd": "ls"}}\n```\n'


@pytest.fixture
def home(tmp_path: Path) -> CursorHome:
    return CursorHome(
        tmp_path, {"CODEX_SHIM_CURSOR_TOOLS": "codex", "CODEX_SHIM_CURSOR_FORCE": "1"}
    )


async def output_of(shim: CursorShim, *items: object, **more: object) -> list[dict[str, Any]]:
    body = json.loads(shim.body("go", tools=TOOLS, **more))
    response = await shim.post(json.dumps({**body, "input": [*body["input"], *items]}).encode())
    output: list[dict[str, Any]] = check(response.body)["response"]["output"]
    return output


async def test_a_call_goes_to_the_client_and_its_output_into_the_next_prompt(
    home: CursorHome,
) -> None:
    async with cursor_shim(home) as shim:
        await shim.is_live()
        shim.fake.say(f"I look.\n{LS}", "It is marker-7f3a.txt.")
        said, call = await output_of(shim)
        assert said["content"][0]["text"] == "I look.\n"
        assert (call["type"], call["name"]) == ("function_call", "exec_command")
        assert json.loads(call["arguments"]) == {"cmd": "ls"}
        output = {
            "type": "function_call_output",
            "call_id": call["call_id"],
            "output": "marker-7f3a.txt",
        }
        [answer] = await output_of(shim, said, call, output)
        assert answer["content"][0]["text"] == "It is marker-7f3a.txt."
    first, second = home.fake.turns
    for turn in (first, second):
        assert turn["argv"][-2:] == ["--mode", "ask"]
        assert "--force" not in turn["argv"]
    assert "marker-7f3a.txt" in second["prompt"]
    assert second["prompt"].startswith(first["prompt"].rpartition(" end>>>")[0])


async def test_malformed_call_is_text_and_the_next_prompt_explains_the_error(
    home: CursorHome,
) -> None:
    async with cursor_shim(home) as shim:
        await shim.is_live()
        shim.fake.say(LS.replace("exec_command", "exec"), LS)
        [said] = await output_of(shim)
        assert said["content"][0]["text"].startswith("```codex-call-")
        [call] = await output_of(shim, said, {"role": "user", "content": "go on"})
        assert call["type"] == "function_call"
    assert "because there is no tool 'exec'." in home.fake.turns[1]["prompt"]


async def test_a_child_that_goes_on_after_a_call_is_ended_with_the_turn(home: CursorHome) -> None:
    home.more["CODEX_SHIM_LINGER_SECONDS"] = "60"
    async with cursor_shim(home) as shim:
        await shim.is_live()
        shim.fake.say(LS)
        shim.fake.play("text_then_tool")
        async with asyncio.timeout(20):
            [call] = await output_of(shim)
            assert call["type"] == "function_call"
            await shim.all_gone()


async def test_a_cursor_that_acts_by_itself_fails_the_turn(home: CursorHome) -> None:
    async with cursor_shim(home) as shim:
        await shim.is_live()
        shim.fake.play("acts_then_crashes")
        last = check((await shim.turn()).body)
        assert last["type"] == "response.failed"
        assert "Cursor acted by itself (Writing /w/new)" in last["response"]["error"]["message"]
