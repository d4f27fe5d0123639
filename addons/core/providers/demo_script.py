"""The script of the built-in model: its texts, its tool call, and its reading of the call's output.

Pure text and values. Never raises, whatever a client sends. Invariant: it calls only a tool that the client declares,
with the arguments that the tool's schema requires.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from addons.core.json_values import JsonDict
from addons.core.protocols.canonical.events import CallKind

CALL_PREFIX = "call_shim_demo_"
SHELL_NAMES = ("exec_command", "shell_command", "shell")
COMMAND_KEYS = ("cmd", "command")
COMMAND = ("ls", "-la")
OUTPUT_TYPES = ("function_call_output", "custom_tool_call_output", "local_shell_call_output")
QUOTED_ENTRIES = 8
QUOTED_CHARACTERS = 80

NEXT = (
    "Next: sign in with `codex login` to use the models of your account, "
    "or add a model of your own with `codex-shim add`. "
    "`codex-shim list` shows what is served, and `codex-shim doctor` what is missing."
)
WELCOME = (
    "Hello! I am shim-demo, the built-in model of codex-shim. I run on this machine and need no login. "
    "codex-shim is a local proxy between your client and the models: it sends each turn to the provider of the model "
    "that you picked, and streams the answer back. This text arrives word by word, so streaming works.\n\n"
) + NEXT
BEFORE_CALL = (
    "Hello! I am shim-demo, the built-in model of codex-shim. "
    "To show that tools work too, I will list this folder."
)
AFTER_CALL = (
    "A complete turn went through codex-shim: your prompt, a tool call that your client ran, its output, "
    "and this answer.\n\n"
) + NEXT

# mode, links, owner, group, size, date (`Nov 23` or `2026-11-23`), time or year, name
LISTED = re.compile(
    r"[-bcdlps][-rwxsStT]{9}\S*\s+(?:\S+\s+){4}(?:\d{4}-\d\d-\d\d|\S+\s+\S+)\s+\S+\s(?P<name>.+)"
)
EXIT_CODE = re.compile(r"(?:[Ee]xited with code|[Ee]xit code:) (?P<code>-?\d+)")
WORD = re.compile(r"\S*\s+|\S+")


@dataclass(frozen=True, slots=True)
class ShellCall:
    """A tool of the client that runs commands, and the arguments that list the folder."""

    name: str
    kind: CallKind
    arguments: str


def split_words(text: str) -> list[str]:
    """Return the text cut after each word. The joined pieces are the text."""
    return WORD.findall(text)


def demo_call_output(payload: Mapping[str, object]) -> str | None:
    """Return the output of the demo's own call, if it is the last item of the input."""
    client_input = payload.get("input")
    last = client_input[-1] if isinstance(client_input, list) and client_input else {}
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
    """Return a command's output, unwrapped from the JSON of older shell tools: `{"output": …, "metadata": {"exit_code": …}}`."""
    try:
        wrapped = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    if not isinstance(wrapped, dict) or not isinstance(wrapped.get("output"), str):
        return text
    metadata = wrapped.get("metadata")
    code = metadata.get("exit_code", 0) if isinstance(metadata, dict) else 0
    return f"Exit code: {code}\nOutput:\n{wrapped['output']}"


def describe_output(output: str) -> str:
    """Return a text about the listing: the number of entries and the first of them."""
    head, _, body = output.rpartition("Output:\n")
    code = EXIT_CODE.search(head)
    if code and code["code"] != "0":
        return f"The command ended with code {code['code']}. It printed: {_first_lines(body)}\n\n{AFTER_CALL}"
    listed = [match["name"] for line in body.splitlines() if (match := LISTED.match(line))]
    names = [name for name in listed if name not in {".", ".."}]
    if names:
        text = f"{len(names)} {'entry' if len(names) == 1 else 'entries'} here: {_quoted(names)}"
    elif listed:
        text = "This folder is empty."
    else:
        text = f"The output does not look like a listing: {_first_lines(body)}"
    return f"{text}\n\n{AFTER_CALL}"


def _first_lines(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return _quoted(lines) if lines else "nothing."


def _quoted(lines: Sequence[str]) -> str:
    shown = ", ".join(f"`{_printable(line)}`" for line in lines[:QUOTED_ENTRIES])
    rest = len(lines) - QUOTED_ENTRIES
    return f"{shown} and {rest} more." if rest > 0 else f"{shown}."


def _printable(line: str) -> str:
    """Return a line without control characters, because a file name may hold terminal codes."""
    return "".join(char if char.isprintable() else "?" for char in line[:QUOTED_CHARACTERS])


def find_shell_call(payload: Mapping[str, object]) -> ShellCall | None:
    """Return a call to a top-level tool that runs commands; None when there is none or the client forbids calls."""
    tools = payload.get("tools")
    if payload.get("tool_choice") == "none" or not isinstance(tools, list):
        return None
    return next((call for tool in tools if (call := _listing_by(tool))), None)


def _listing_by(tool: JsonDict) -> ShellCall | None:
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


def _arguments(schema: JsonDict) -> JsonDict | None:
    properties, required = schema.get("properties"), schema.get("required") or []
    if not isinstance(properties, dict) or not isinstance(required, list):
        return None
    key = next((key for key in COMMAND_KEYS if isinstance(properties.get(key), dict)), "")
    # A tool that requires more than a command is unknown.
    if not key or any(name != key for name in required):
        return None
    kinds = properties[key].get("type")
    if "array" in (kinds if isinstance(kinds, list) else [kinds]):
        return {key: list(COMMAND)}
    return {key: " ".join(COMMAND)}
