"""Three Codex tools, one of each kind."""

from __future__ import annotations

from addons.core.protocols.canonical.conversation import Tool
from addons.core.protocols.canonical.events import CallKind

COMMAND = {"type": "object", "properties": {"cmd": {"type": "string"}}, "required": ["cmd"]}
SHELL = Tool("exec_command", "exec_command", None, CallKind.FUNCTION, "Runs it.", COMMAND)
MCP = Tool("mcp__srv__add", "add", "mcp__srv", CallKind.FUNCTION, "Adds.", {})
PATCH = Tool("apply_patch", "apply_patch", None, CallKind.CUSTOM, "Patches.", {})
TOOLS = (SHELL, MCP, PATCH)
