"""Cursor's own tool calls in words: what is shown of them in the reasoning summary, and whether one acts.

Source: stream-json of cursor-agent, August 2026. Never shows what a tool read or wrote. Invariant: total; a tool that
is not known counts as one that acts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from addons.core.upstream_errors import printable
from addons.core.values import obj

Json = Mapping[str, object]

SHOWN_CHARACTERS = 160
SUFFIX = "ToolCall"
_BLANKS = re.compile(r"\s+")

# tool → what is said while it runs, and the argument that says on what.
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
KEPT_FROM_RUNNING = frozenset({"rejected", "error", "permissionDenied", "spawnError"})
HARMLESS = frozenset({"read", "grep", "glob", "ls", "updateTodos", "semSearch", "readLints"})


class Step(NamedTuple):
    """One tool call as far as its event tells it."""

    tool: str
    words: str
    outcome: str = ""
    """How it ended; empty while it runs."""
    happened: bool = False
    """It ended, and nothing says that it was kept from running: one that failed may have changed something first."""

    @property
    def acts(self) -> bool:
        """Whether it may change something."""
        return self.tool not in HARMLESS


def step_of(event: Json) -> Step:
    """Read a `tool_call` event."""
    tool, body = _tool(obj(event.get("tool_call")))
    doing, key = TOOLS.get(tool, (f"Using {tool}", ""))
    arguments = obj(body.get("args"))
    target = arguments.get(key) if key else None
    words = f"{doing} {_shown(target)}" if isinstance(target, str) and target else doing
    if event.get("subtype") != "completed":
        return Step(tool, words)
    result = obj(body.get("result"))
    return Step(tool, words, _outcome(tool, result), KEPT_FROM_RUNNING.isdisjoint(result))


def _tool(call: Json) -> tuple[str, Json]:
    for key, value in call.items():
        if key.endswith(SUFFIX) and isinstance(value, dict):
            return _shown(key.removesuffix(SUFFIX)), value
    if isinstance(named := call.get("function"), dict):
        return _shown(str(named.get("name") or "a function")), {
            **named,
            "result": call.get("result"),
        }
    older = obj(call.get("tool"))
    case = older.get("case")
    if isinstance(case, str):
        return _shown(case.removesuffix(SUFFIX)), obj(older.get("value"))
    return "a tool", {}


def _outcome(tool: str, result: Json) -> str:
    if "success" in result:
        done = DONE.get(tool)
        return (done(obj(result["success"])) if done else "") or "done"
    if "rejected" in result:
        reason = _shown(str(obj(result["rejected"]).get("reason") or ""))
        return f"refused by Cursor's policy{f': {reason}' if reason else ''}"
    if "error" in result:
        error = result["error"]
        told = error.get("error") or error.get("message") if isinstance(error, dict) else error
        return f"failed: {_shown(str(told or 'it did not say why'))}"
    return "done"


def _counted(key: str, unit: str) -> Callable[[Json], str]:
    def words(success: Json) -> str:
        count = success.get(key)
        return f"{count} {unit}" if isinstance(count, int) else ""

    return words


def _changed(success: Json) -> str:
    added, removed = success.get("linesAdded"), success.get("linesRemoved")
    if isinstance(added, int) and isinstance(removed, int):
        return f"+{added} -{removed}"
    return ""


def _exited(success: Json) -> str:
    code = success.get("exitCode")
    return f"exit code {code}" if isinstance(code, int) else ""


DONE: Mapping[str, Callable[[Json], str]] = {
    "read": _counted("totalLines", "lines"),
    "write": _counted("linesCreated", "lines"),
    "glob": _counted("totalFiles", "files"),
    "edit": _changed,
    "shell": _exited,
}


def _shown(text: object) -> str:
    line = _BLANKS.sub(" ", printable(str(text)[: 4 * SHOWN_CHARACTERS])).strip()
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}…"
