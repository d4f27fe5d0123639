"""The real Codex with a Cursor that only writes text: Codex runs the tools that the model calls."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from tests.e2e.codex_cli import CodexHome
from tests.e2e.conftest import StartShim
from tests.e2e.shim import Shim
from tests.fakes.cursor import FakeCursor

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(120),
    pytest.mark.usefixtures("each_transport", "tools_shim"),
]

PATCH = "*** Begin Patch\n*** Add File: made.txt\n+by Codex, not by Cursor\n*** End Patch"


def call(name: str, **arguments: object) -> str:
    return f"```codex-call-KEY\n{json.dumps({'name': name, 'arguments': arguments})}\n```\n"


@pytest.fixture
def fake(tmp_path: Path) -> FakeCursor:
    fake = FakeCursor(tmp_path / "cursor")
    fake.install()
    return fake


@pytest.fixture
def tools_shim(user: CodexHome, fake: FakeCursor, start_shim: StartShim) -> Shim:
    user.extra_env = {
        **fake.env,
        "PATH": f"{fake.bin}{os.pathsep}{os.environ['PATH']}",
        "CODEX_SHIM_CURSOR_TOOLS": "codex",
    }
    shim = start_shim()
    deadline = time.monotonic() + 20
    while "composer-2-5" not in shim.slugs():
        assert time.monotonic() < deadline, "the fake login was never noticed"
        time.sleep(0.1)
    # The model's entry decides which tools Codex offers.
    _, catalog = shim.get("/v1/models?client_version=0.169.0")
    path = user.root / "catalog.json"
    path.write_bytes(catalog)
    base_url = f"http://127.0.0.1:{shim.port}/v1"
    user.configure(base_url, "composer-2-5", settings={"model_catalog_json": str(path)})
    return shim


def test_command_runs_and_its_output_is_in_the_next_prompt(
    user: CodexHome, fake: FakeCursor
) -> None:
    (user.workspace / "marker-7f3a.txt").touch()
    fake.say("I look first.\n" + call("exec_command", cmd="ls"), "There is marker-7f3a.txt.")

    run = user.exec("what is here?")

    assert run.code == 0, run.stderr
    [command] = run.items_of("command_execution")
    assert "marker-7f3a.txt" in str(command["aggregated_output"])
    assert [message.strip() for message in run.messages] == [
        "I look first.",
        "There is marker-7f3a.txt.",
    ]
    first, second = fake.turns
    assert "## exec_command" in first["prompt"]
    assert "marker-7f3a.txt" not in first["prompt"]
    assert "marker-7f3a.txt" in second["prompt"]
    assert second["prompt"].startswith(first["prompt"].rpartition(" end>>>")[0])
    assert first["argv"][-2:] == ["--mode", "ask"]
    assert first["cwd"] == str(user.workspace)


def test_patch_of_a_custom_tool_is_applied(user: CodexHome, fake: FakeCursor) -> None:
    fake.say(call("apply_patch", input=PATCH), "Made.")

    run = user.exec("make a file")

    assert run.code == 0, run.stderr
    assert (user.workspace / "made.txt").read_text() == "by Codex, not by Cursor\n"
    assert run.items_of("file_change")
    assert run.messages == ["Made."]


def test_both_calls_of_one_answer_run(user: CodexHome, fake: FakeCursor) -> None:
    fake.say(call("exec_command", cmd="echo one") + call("exec_command", cmd="echo two"), "Both.")

    run = user.exec("do both")

    outputs = [str(item["aggregated_output"]) for item in run.items_of("command_execution")]
    assert sorted(output.strip() for output in outputs) == ["one", "two"]
    assert run.messages == ["Both."]


def test_malformed_call_is_shown_and_corrected_in_the_next_turn(
    user: CodexHome, fake: FakeCursor
) -> None:
    fake.say(
        '```codex-call-KEY\n{"name": "exec_command", "arguments": {"cmd": "echo wrong"}\n```',
        call("exec_command", cmd="echo right"),
        "Done.",
    )

    first = user.exec("go")
    assert first.code == 0, first.stderr
    assert first.items_of("command_execution") == []
    assert "echo wrong" in first.messages[0]
    second = user.exec("go on", "resume", "--last")

    [command] = second.items_of("command_execution")
    assert str(command["aggregated_output"]).strip() == "right"
    assert "nothing was run, because it is no JSON" in fake.turns[1]["prompt"]


def test_calls_run_inside_the_sandbox_of_codex(user: CodexHome, fake: FakeCursor) -> None:
    fake.say(call("exec_command", cmd="touch made.txt && echo it-was-made"), "Tried.")

    run = user.exec("make a file", policy=("--sandbox", "read-only"))

    assert run.messages == ["Tried."]
    assert not (user.workspace / "made.txt").exists()
    _, _, output = fake.turns[1]["prompt"].rpartition(" tool output ")
    assert "it-was-made" not in output
