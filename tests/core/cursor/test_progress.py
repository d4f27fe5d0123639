"""What Cursor does, as the reasoning summary tells it, and which of its tools may have changed something."""

from __future__ import annotations

import pytest

from addons.core.cursor.progress import SHOWN_CHARACTERS, Step, step_of

Json = dict[str, object]


def call(tool: str, args: Json, result: Json | None = None) -> Json:
    body: Json = {"args": args} if result is None else {"args": args, "result": result}
    subtype = "started" if result is None else "completed"
    return {"type": "tool_call", "subtype": subtype, "tool_call": {f"{tool}ToolCall": body}}


@pytest.mark.parametrize(
    ("tool", "args", "words", "acts"),
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
def test_each_tool_says_what_it_does_on_what(tool: str, args: Json, words: str, acts: bool) -> None:
    step = step_of(call(tool, args))
    assert step == Step(tool, words)
    assert step.acts is acts


@pytest.mark.parametrize(
    ("tool", "result", "outcome", "happened"),
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
        ("shell", {"error": {}}, "failed: it did not say why", False),
        ("shell", {"permissionDenied": {}}, "done", False),
        ("shell", {"spawnError": {}}, "done", False),
        ("shell", {"timeout": {}}, "done", True),
        ("shell", {}, "done", True),
    ],
)  # fmt: skip
def test_each_ending_is_told_and_only_what_was_kept_from_running_did_not_happen(
    tool: str, result: Json, outcome: str, happened: bool
) -> None:
    step = step_of(call(tool, {}, result))
    assert (step.outcome, step.happened) == (outcome, happened)


@pytest.mark.parametrize(
    ("told", "tool", "words"),
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
def test_older_forms_of_an_event_are_read_too(told: object, tool: str, words: str) -> None:
    step = step_of({"subtype": "started", "tool_call": told})
    assert (step.tool, step.words) == (tool, words)


def test_the_result_of_a_function_stands_beside_it() -> None:
    told = {"function": {"name": "read"}, "result": {"success": {"totalLines": 2}}}
    assert step_of({"subtype": "completed", "tool_call": told}).outcome == "2 lines"


@pytest.mark.parametrize(
    ("characters", "end"), [(SHOWN_CHARACTERS, ""), (SHOWN_CHARACTERS + 1, "…")]
)
def test_a_long_target_is_cut(characters: int, end: str) -> None:
    words = step_of(call("read", {"path": "x" * characters})).words
    assert words == f"Reading {'x' * SHOWN_CHARACTERS}{end}"
