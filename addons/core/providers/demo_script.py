"""What the built-in model says: its words, the tool call it makes, and what it reads out of the output.

Pure text and values. Never raises on anything a client may send. Invariant: it calls only a tool that the client
offers, with the arguments that the tool's schema asks for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from addons.core.translate.events import CallKind

CALL_PREFIX = "call_shim_demo_"
SHELL_NAMES = ("exec_command", "shell_command", "shell")
COMMAND_KEYS = ("cmd", "command")
COMMAND = ("ls", "-la")
OUTPUT_TYPES = ("function_call_output", "custom_tool_call_output", "local_shell_call_output")
QUOTED_ENTRIES = 8
QUOTED_CHARACTERS = 80

NEXT = (
    "Next: sign in with `codex login` to use the models of your account, "
    "or describe models of your own in models.json. "
    "`codex-shim list` shows what is served, and `codex-shim doctor` what is missing."
)
WELCOME = (
    "Hello! I am shim-demo, the built-in model of codex-shim. I run on this machine, need no login and know only "
    "this much. codex-shim stands between your client and the models: it looks at the model that you picked and "
    "sends each turn to its provider, streaming as it goes. That you read this word by word shows that it works.\n\n"
) + NEXT
BEFORE_CALL = (
    "Hello! I am shim-demo, the built-in model of codex-shim. "
    "To show that tools work as well, I will list this folder."
)
AFTER_CALL = (
    "So a whole turn went through codex-shim: your prompt, a tool call that your client ran, its output, "
    "and this answer.\n\n"
) + NEXT

# mode, links, owner, group, size, date (`Nov 23` or `2026-11-23`), time or year, name
LISTED = re.compile(
    r"[-bcdlps][-rwxsStT]{9}\S*\s+(?:\S+\s+){4}(?:\d{4}-\d\d-\d\d|\S+\s+\S+)\s+\S+\s(?P<name>.+)"
)
EXIT_CODE = re.compile(r"(?:[Ee]xited with code|[Ee]xit code:) (?P<code>-?\d+)")
WORD = re.compile(r"\S*\s+|\S+")

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class ShellCall:
    """A tool of the client's that runs commands, and the arguments with which it lists the folder."""

    name: str
    kind: CallKind
    arguments: str


def words(text: str) -> list[str]:
    """Cut text after each word. Joined again, the pieces are the text."""
    return WORD.findall(text)


def own_output(payload: Mapping[str, object]) -> str | None:
    """Give the output of the demo's own call when that is the last item of the input."""
    asked = payload.get("input")
    last = asked[-1] if isinstance(asked, list) and asked else {}
    call_id = last.get("call_id") or last.get("id")
    if last.get("type") not in OUTPUT_TYPES or not str(call_id).startswith(CALL_PREFIX):
        return None
    return _command_output(_output_text(last.get("output")))


def _output_text(output: object) -> str:
    if isinstance(output, list):
        parts = [part.get("text") for part in output if isinstance(part, dict)]
        return "\n".join(text for text in parts if isinstance(text, str))
    return output if isinstance(output, str) else ""


def _command_output(text: str) -> str:
    """Older shell tools wrap what the command wrote in JSON: `{"output": …, "metadata": {"exit_code": …}}`."""
    try:
        wrapped = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    if not isinstance(wrapped, dict) or not isinstance(wrapped.get("output"), str):
        return text
    metadata = wrapped.get("metadata")
    code = metadata.get("exit_code", 0) if isinstance(metadata, dict) else 0
    return f"Exit code: {code}\nOutput:\n{wrapped['output']}"


def about(output: str) -> str:
    """Say what came back from the listing: how many entries, and the first of them."""
    head, _, body = output.rpartition("Output:\n")
    code = EXIT_CODE.search(head)
    if code and code["code"] != "0":
        return f"The command ended with code {code['code']}. It said: {_first_lines(body)}\n\n{AFTER_CALL}"
    found = (LISTED.match(line) for line in body.splitlines())
    names = [match["name"] for match in found if match and match["name"] not in {".", ".."}]
    if names:
        said = f"{len(names)} {'entry' if len(names) == 1 else 'entries'} here: {_quoted(names)}"
    elif LISTED.search(body):
        said = "This folder is empty."
    else:
        said = f"What came back does not look like a listing: {_first_lines(body)}"
    return f"{said}\n\n{AFTER_CALL}"


def _first_lines(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return _quoted(lines) if lines else "nothing."


def _quoted(lines: Sequence[str]) -> str:
    shown = ", ".join(f"`{_printable(line)}`" for line in lines[:QUOTED_ENTRIES])
    rest = len(lines) - QUOTED_ENTRIES
    return f"{shown} and {rest} more." if rest > 0 else f"{shown}."


def _printable(line: str) -> str:
    """A file's name may hold terminal codes: none of them reaches the screen through us."""
    return "".join(char if char.isprintable() else "?" for char in line[:QUOTED_CHARACTERS])


def shell_call(payload: Mapping[str, object]) -> ShellCall | None:
    """Find a tool at the top level of `tools` that runs commands; None when the client wants no call."""
    tools = payload.get("tools")
    if payload.get("tool_choice") == "none" or not isinstance(tools, list):
        return None
    return next((call for tool in tools if (call := _listing_by(tool))), None)


def _listing_by(tool: Json) -> ShellCall | None:
    if tool.get("type") == "local_shell":
        action = {"type": "exec", "command": list(COMMAND), "env": {}}
        return ShellCall("local_shell", CallKind.LOCAL_SHELL, orjson.dumps(action).decode())
    name, schema = tool.get("name"), tool.get("parameters")
    if tool.get("type") != "function" or name not in SHELL_NAMES or not isinstance(schema, dict):
        return None
    arguments = _arguments(schema)
    if not arguments:
        return None
    return ShellCall(str(name), CallKind.FUNCTION, orjson.dumps(arguments).decode())


def _arguments(schema: Json) -> Json | None:
    properties, required = schema.get("properties"), schema.get("required") or []
    if not isinstance(properties, dict) or not isinstance(required, list):
        return None
    key = next((key for key in COMMAND_KEYS if isinstance(properties.get(key), dict)), "")
    # A tool that demands more than a command is one that we do not know.
    if not key or any(name != key for name in required):
        return None
    kinds = properties[key].get("type")
    if "array" in (kinds if isinstance(kinds, list) else [kinds]):
        return {key: list(COMMAND)}
    return {key: " ".join(COMMAND)}
