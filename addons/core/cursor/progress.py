"""Summaries of Cursor's own tool calls for the reasoning summary, and whether a call may change something.

Source: stream-json of cursor-agent, August 2026. Never shows what a tool read or wrote. Invariant: total; an unknown
tool counts as one that may change something.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from addons.core.json_values import JsonObject, as_object
from addons.core.upstream.error_mapping import quotable

SHOWN_CHARACTERS = 160
SUFFIX = "ToolCall"
_BLANKS = re.compile(r"\s+")

# Tool → the verb to show, and the argument that names its target.
TOOLS: Mapping[str, tuple[str, str]] = {
    "read": ("Reading", "path"),
    "write": ("Writing", "path"),
    "edit": ("Editing", "path"),
    "delete": ("Deleting", "path"),
    "shell": ("Running", "command"),
    "grep": ("Searching for", "pattern"),
    "glob": ("Finding files", "globPattern"),
    "ls": ("Listing", "path"),
    "updateTodos": ("Updating its plan", ""),
    "semSearch": ("Searching for", "query"),
    "readLints": ("Reading lints", ""),
    "webSearch": ("Searching the web for", "query"),
    "webFetch": ("Fetching", "url"),
    "mcp": ("Calling", "toolName"),
    "task": ("Running a task", "description"),
}
NOT_RUN_RESULTS = frozenset({"rejected", "error", "permissionDenied", "spawnError"})
READ_ONLY = frozenset({"read", "grep", "glob", "ls", "updateTodos", "semSearch", "readLints"})


class Step(NamedTuple):
    """One tool call, as one event describes it."""

    tool: str
    summary: str
    outcome: str = ""
    """How the call ended; empty while it runs."""
    ran: bool = False
    """The call ended, and its result does not say that it never ran. A failed call may have changed something."""

    @property
    def acts(self) -> bool:
        """Whether the tool may change something."""
        return self.tool not in READ_ONLY


def read_step(event: JsonObject) -> Step:
    """Read a `tool_call` event."""
    tool, body = _tool(as_object(event.get("tool_call")))
    verb, key = TOOLS.get(tool, (f"Using {tool}", ""))
    arguments = as_object(body.get("args"))
    target = arguments.get(key) if key else None
    summary = f"{verb} {_one_line(target)}" if isinstance(target, str) and target else verb
    if event.get("subtype") != "completed":
        return Step(tool, summary)
    result = as_object(body.get("result"))
    return Step(tool, summary, _outcome(tool, result), NOT_RUN_RESULTS.isdisjoint(result))


def _tool(call: JsonObject) -> tuple[str, JsonObject]:
    for key, value in call.items():
        if key.endswith(SUFFIX) and isinstance(value, dict):
            return _one_line(key.removesuffix(SUFFIX)), value
    if isinstance(named := call.get("function"), dict):
        return _one_line(str(named.get("name") or "a function")), {
            **named,
            "result": call.get("result"),
        }
    older = as_object(call.get("tool"))
    case = older.get("case")
    if isinstance(case, str):
        return _one_line(case.removesuffix(SUFFIX)), as_object(older.get("value"))
    return "a tool", {}


def _outcome(tool: str, result: JsonObject) -> str:
    if "success" in result:
        done = DONE.get(tool)
        return (done(as_object(result["success"])) if done else "") or "done"
    if "rejected" in result:
        reason = _one_line(str(as_object(result["rejected"]).get("reason") or ""))
        return f"refused by Cursor's policy{f': {reason}' if reason else ''}"
    if "error" in result:
        error = result["error"]
        text = error.get("error") or error.get("message") if isinstance(error, dict) else error
        return f"failed: {_one_line(str(text or 'no reason given'))}"
    return "done"


def _counted(key: str, unit: str) -> Callable[[JsonObject], str]:
    def outcome(success: JsonObject) -> str:
        count = success.get(key)
        return f"{count} {unit}" if isinstance(count, int) else ""

    return outcome


def _changed(success: JsonObject) -> str:
    added, removed = success.get("linesAdded"), success.get("linesRemoved")
    if isinstance(added, int) and isinstance(removed, int):
        return f"+{added} -{removed}"
    return ""


def _exited(success: JsonObject) -> str:
    code = success.get("exitCode")
    return f"exit code {code}" if isinstance(code, int) else ""


DONE: Mapping[str, Callable[[JsonObject], str]] = {
    "read": _counted("totalLines", "lines"),
    "write": _counted("linesCreated", "lines"),
    "glob": _counted("totalFiles", "files"),
    "edit": _changed,
    "shell": _exited,
}


def _one_line(text: object) -> str:
    line = _BLANKS.sub(" ", quotable(str(text)[: 4 * SHOWN_CHARACTERS])).strip()
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}…"
