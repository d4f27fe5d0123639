"""The real Codex CLI against the ChatGPT backend: directly, as the control, and through codex-shim.

Every case runs on both paths with the same expectations. A case that passes only because the fake is lenient towards
codex-shim fails on the control.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.line import Line
from tests.fakes import mcp_server, scenarios
from tests.fakes.chatgpt_backend import decoded_body
from tests.fakes.http_messages import Request

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

PATCH = """*** Begin Patch
*** Update File: greeting.txt
@@
-hello
+good evening
*** End Patch
"""
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
NO_RETRIES: dict[str, Any] = {"request_max_retries": 0, "stream_max_retries": 0}


def input_items(request: Request) -> list[dict[str, object]]:
    items = decoded_body(request)["input"]
    assert isinstance(items, list)
    return items


def output_of(request: Request, call_id: str) -> str:
    item = next(
        item
        for item in input_items(request)
        if str(item["type"]).endswith("_output") and item["call_id"] == call_id
    )
    return str(item["output"])


def test_text_and_usage_arrive(line: Line) -> None:
    line.backend.play(scenarios.text("Grüße, 世界"))

    run = line.exec("greet me")

    assert run.code == 0, run.stderr
    assert run.messages == ["Grüße, 世界"]
    assert run.usage["input_tokens"] == 1200
    assert run.usage["cached_input_tokens"] == 1000
    assert run.usage["reasoning_output_tokens"] == 10


def test_rate_limits_of_the_account_are_known_to_codex(line: Line) -> None:
    line.backend.play(scenarios.text("done"))

    line.exec("anything")

    (rollout,) = line.user.codex_home.glob("sessions/**/*.jsonl")
    events = [json.loads(one)["payload"] for one in rollout.read_text().splitlines()]
    limits = [event["rate_limits"] for event in events if event.get("rate_limits")]
    assert limits[-1]["primary"]["used_percent"] == 42
    assert limits[-1]["primary"]["window_minutes"] == 300
    assert limits[-1]["secondary"]["used_percent"] == 7


def test_later_requests_of_a_turn_return_its_state(line: Line) -> None:
    line.backend.play(scenarios.turn(scenarios.command("true")), scenarios.text("done"))

    line.exec("run it")

    sent = [request.header("x-codex-turn-state") for request in line.backend.turns]
    # a frame of ChatGPT's WebSocket has no header, and Codex sends no state with it: the connection keeps the place
    assert sent == [None, None if line.backend.speaks_websocket else "turn-state-fabricated"]


def test_reasoning_is_shown_and_replayed_encrypted(line: Line) -> None:
    line.backend.play(
        scenarios.turn(scenarios.thought("Weighing it"), scenarios.command("true")),
        scenarios.text("done"),
    )
    line.configure(settings={"model_reasoning_summary": "auto"})

    run = line.exec("think")

    assert [item["text"] for item in run.items_of("reasoning")] == ["Weighing it"]
    replayed = next(
        item for item in input_items(line.backend.turns[1]) if item["type"] == "reasoning"
    )
    assert replayed["encrypted_content"] == "gAAAAfabricated-encrypted-reasoning"


def test_tool_call_writes_a_file_and_returns_its_output(line: Line) -> None:
    command = "echo written > made.txt && echo seen"
    line.backend.play(scenarios.turn(scenarios.command(command)), scenarios.text("done"))

    run = line.exec("write it")

    assert run.messages == ["done"]
    assert (line.user.workspace / "made.txt").read_text() == "written\n"
    assert "seen" in output_of(line.backend.turns[1], "call_1")


def test_parallel_calls_all_run_and_return(line: Line) -> None:
    calls = [scenarios.command(f"echo out-{n} > {n}.txt; cat {n}.txt", f"call_{n}") for n in "abc"]
    line.backend.play(scenarios.turn(*calls), scenarios.text("done"))

    line.exec("three at once")

    answered = {n: output_of(line.backend.turns[1], f"call_{n}") for n in "abc"}
    assert all(f"out-{n}" in output for n, output in answered.items())
    assert len(line.backend.turns) == 2


def test_apply_patch_edits_the_file(line: Line) -> None:
    edited = line.user.workspace / "greeting.txt"
    edited.write_text("hello\n")
    call = scenarios.custom_call("apply_patch", PATCH)
    line.backend.play(scenarios.turn(call), scenarios.text("done"))

    run = line.exec("patch it")

    assert edited.read_text() == "good evening\n"
    assert run.messages == ["done"]


def test_mcp_tool_is_called_by_its_namespace(line: Line) -> None:
    server = {"command": sys.executable, "args": [mcp_server.__file__]}
    line.configure(settings={"mcp_servers": {"calc": server}})
    call = scenarios.function_call("add_one", {"n": 41}, namespace="mcp__calc")
    line.backend.play(scenarios.turn(call), scenarios.text("done"))

    line.exec("add one")

    assert "42" in output_of(line.backend.turns[1], "call_1")


def test_image_reaches_the_model(line: Line) -> None:
    picture: Path = line.user.workspace / "x.png"
    picture.write_bytes(PIXEL)
    line.backend.play(scenarios.text("a dot"))

    run = line.exec("what is it?", "-i", str(picture))

    assert run.messages == ["a dot"]
    assert b"data:image/png;base64,iVBOR" in line.backend.turns[0].body


def test_compaction_restarts_the_history_from_a_summary(line: Line) -> None:
    full = scenarios.Usage(input_tokens=150_000)
    line.configure(settings={"model_auto_compact_token_limit": 20_000})
    line.backend.play(
        scenarios.turn(scenarios.command("true"), usage=full),
        scenarios.text("the summary so far"),
        scenarios.text("done"),
    )

    run = line.exec("work until it is full")

    assert run.messages[-1] == "done"
    _, compaction, resumed = line.backend.turns
    assert b"CONTEXT CHECKPOINT COMPACTION" in compaction.body
    assert b"the summary so far" in resumed.body
    assert b"call_1" not in resumed.body


def test_usage_limit_is_final_and_shows_the_reset_time(line: Line) -> None:
    line.backend.play(scenarios.usage_limit_reached(resets_in_seconds=3 * 3600))

    run = line.exec("anything")

    assert run.code != 0
    assert "usage limit" in run.errors
    assert "try again at" in run.errors
    assert len(line.backend.turns) == 1


def test_truncated_stream_is_retried_without_a_partial_message(line: Line) -> None:
    whole = scenarios.text("The whole sentence.")
    line.backend.play(scenarios.cut_inside(whole, "response.output_text.delta"), whole)

    run = line.exec("say it")

    assert run.messages == ["The whole sentence."]
    assert len(line.backend.turns) == 2


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
def test_incomplete_call_is_never_run(line: Line, share: float, reset: bool) -> None:
    call = scenarios.turn(scenarios.command("echo ran >> count.txt"))
    half = scenarios.cut_inside(call, "response.output_item.done", share=share, reset=reset)
    line.backend.play(half, call, scenarios.text("done"))

    run = line.exec("count")

    assert (line.user.workspace / "count.txt").read_text() == "ran\n"
    assert run.messages == ["done"]


def test_connection_lost_after_the_head_is_retried(line: Line) -> None:
    line.backend.play(scenarios.reset_after_head(), scenarios.text("here"))

    run = line.exec("say it")

    assert run.messages == ["here"]


@pytest.mark.parametrize(("status", "title"), [(403, "Just a moment..."), (502, "502 Bad Gateway")])
def test_html_error_page_keeps_its_status(line: Line, status: int, title: str) -> None:
    # a WebSocket that has no retry left is followed by one request by HTTP
    requests = 2 if line.speaks_websocket else 1
    line.configure(**NO_RETRIES)
    line.backend.play(*[scenarios.html(status, title)] * requests)

    run = line.exec("anything")

    assert f"unexpected status {status}" in run.errors
    assert len(line.backend.turns) == requests


def test_refusal_of_the_backend_is_shown_unchanged(line: Line) -> None:
    line.backend.play(scenarios.detail(400, "Unsupported parameter: nonsense"))

    run = line.exec("anything")

    assert "Unsupported parameter: nonsense" in run.errors
    assert len(line.backend.turns) == 1
