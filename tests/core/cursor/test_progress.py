"""Summaries of Cursor's own tool calls, and which calls may have changed something."""

from __future__ import annotations

import pytest

from addons.core.cursor.progress import SHOWN_CHARACTERS, Step, read_step
from addons.core.json_values import JsonDict


def call(tool: str, args: JsonDict, result: JsonDict | None = None) -> JsonDict:
    body: JsonDict = {"args": args} if result is None else {"args": args, "result": result}
    subtype = "started" if result is None else "completed"
    return {"type": "tool_call", "subtype": subtype, "tool_call": {f"{tool}ToolCall": body}}


@pytest.mark.parametrize(
    ("tool", "args", "summary", "acts"),
    [
        ("read", {"path": "/w/a"}, "Reading /w/a", False),
        ("write", {"path": "/w/a"}, "Writing /w/a", True),
        ("edit", {"path": "/w/a"}, "Editing /w/a", True),
        ("delete", {"path": "/w/a"}, "Deleting /w/a", True),
        ("shell", {"command": "ls  -l\n"}, "Running ls -l", True),
        ("grep", {"pattern": "a+"}, "Searching for a+", False),
        ("glob", {"globPattern": "*.py"}, "Finding files *.py", False),
        ("ls", {"path": "/w"}, "Listing /w", False),
        ("updateTodos", {"todos": []}, "Updating its plan", False),
        ("semSearch", {"query": "door"}, "Searching for door", False),
        ("readLints", {"paths": []}, "Reading lints", False),
        ("webSearch", {"query": "door"}, "Searching the web for door", True),
        ("webFetch", {"url": "https://a.example"}, "Fetching https://a.example", True),
        ("mcp", {"toolName": "look"}, "Calling look", True),
        ("task", {"description": "count"}, "Running a task count", True),
        ("tomorrow", {"path": "/w/a"}, "Using tomorrow", True),
        ("read", {"path": ""}, "Reading", False),
        ("read", {"path": 3}, "Reading", False),
        ("read", {}, "Reading", False),
    ],
)
def test_running_tool_is_summarised(tool: str, args: JsonDict, summary: str, acts: bool) -> None:
    step = read_step(call(tool, args))
    assert step == Step(tool, summary)
    assert step.acts is acts


@pytest.mark.parametrize(
    ("tool", "result", "outcome", "ran"),
    [
        ("read", {"success": {"totalLines": 12}}, "12 lines", True),
        ("write", {"success": {"linesCreated": 3}}, "3 lines", True),
        ("glob", {"success": {"totalFiles": 2}}, "2 files", True),
        ("edit", {"success": {"linesAdded": 4, "linesRemoved": 1}}, "+4 -1", True),
        ("edit", {"success": {"linesAdded": 4}}, "done", True),
        ("shell", {"success": {"exitCode": 1}}, "exit code 1", True),
        ("shell", {"success": {"exitCode": "1"}}, "done", True),
        ("read", {"success": {}}, "done", True),
        ("grep", {"success": {"totalLines": 1}}, "done", True),
        ("shell", {"rejected": {"reason": "not allowed"}}, "refused by Cursor's policy: not allowed", False),
        ("shell", {"rejected": {}}, "refused by Cursor's policy", False),
        ("shell", {"error": {"error": "no such file"}}, "failed: no such file", False),
        ("shell", {"error": {"message": "broken"}}, "failed: broken", False),
        ("shell", {"error": "plain"}, "failed: plain", False),
        ("shell", {"error": {}}, "failed: no reason given", False),
        ("shell", {"permissionDenied": {}}, "done", False),
        ("shell", {"spawnError": {}}, "done", False),
        ("shell", {"timeout": {}}, "done", True),
        ("shell", {}, "done", True),
    ],
)  # fmt: skip
def test_outcome_is_described_and_refused_calls_did_not_run(
    tool: str, result: JsonDict, outcome: str, ran: bool
) -> None:
    step = read_step(call(tool, {}, result))
    assert (step.outcome, step.ran) == (outcome, ran)


@pytest.mark.parametrize(
    ("tool_call", "tool", "summary"),
    [
        ({"function": {"name": "look", "args": {"path": "/w"}}}, "look", "Using look"),
        ({"function": {"name": "read", "args": {"path": "/w"}}}, "read", "Reading /w"),
        ({"function": {}}, "a function", "Using a function"),
        ({"tool": {"case": "readToolCall", "value": {"args": {"path": "/w"}}}}, "read", "Reading /w"),
        ({"tool": {"case": 3}}, "a tool", "Using a tool"),
        ({"readToolCall": "no object"}, "a tool", "Using a tool"),
        ({}, "a tool", "Using a tool"),
        (None, "a tool", "Using a tool"),
    ],
)  # fmt: skip
def test_older_event_forms_are_read(tool_call: object, tool: str, summary: str) -> None:
    step = read_step({"subtype": "started", "tool_call": tool_call})
    assert (step.tool, step.summary) == (tool, summary)


def test_result_of_a_function_call_is_read_from_its_sibling_field() -> None:
    tool_call = {"function": {"name": "read"}, "result": {"success": {"totalLines": 2}}}
    assert read_step({"subtype": "completed", "tool_call": tool_call}).outcome == "2 lines"


@pytest.mark.parametrize(
    ("characters", "end"), [(SHOWN_CHARACTERS, ""), (SHOWN_CHARACTERS + 1, "…")]
)
def test_long_target_is_cut(characters: int, end: str) -> None:
    summary = read_step(call("read", {"path": "x" * characters})).summary
    assert summary == f"Reading {'x' * SHOWN_CHARACTERS}{end}"
