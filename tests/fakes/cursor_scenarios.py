"""The scenarios of the fake cursor-agent by name: answers, failures, hangs, and children that it leaves behind.

Never does: import a module of the product, because it is part of a program of its own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

from tests.fakes.cursor_stream import EventWriter, SilentWriter, message

HERE = Path(os.environ.get("FAKE_CURSOR", "."))
LONG = 3600
QUOTA = """Error: You've hit your usage limit for composer-2.5
  spendLimitHit: true
  chatMessage: "Your usage resets on 12/1/2026"
ActionRequiredError: usage limit
"""
NEEDS_LOGIN = "Error: Authentication required. Please run 'agent login' first, or set CURSOR_API_KEY environment variable.\n"

Scenario = Callable[[EventWriter, bytes, int], object]


def answer(writer: EventWriter, prompt: bytes, number: int) -> None:
    writer.init(prompt=prompt)
    writer.think("Reading ", "the request.")
    text = f"Answer {number} of Cursor."
    writer.deltas(*(word + " " for word in text.split()))
    writer.flush(text + " ")
    writer.result(text + " ")


def traps(writer: EventWriter, prompt: bytes, _number: int) -> None:
    """Play deltas that repeat each other, a repeated segment, tools between, and a final flush of the whole text."""
    writer.init(prompt=prompt)
    first = ("1", "10", "100", "ha", "ha")
    writer.deltas(*first)
    writer.flush_before_tool("".join(first))
    writer.tool("read", {"path": "/w/a.py"}, {"success": {"content": "x", "totalLines": 3}})
    writer.deltas("done", ".")
    writer.flush_before_tool("done.", "1")
    writer.tool(
        "shell",
        {"command": "ls"},
        {"rejected": {"command": "ls", "reason": "not allowed"}},
        "call_2",
    )
    writer.event("interaction_query", subtype="request", query={"id": 1})
    writer.deltas("done", ".")
    writer.flush("110100hahadone.done.")
    writer.result("110100hahadone.done.")


def no_partials(writer: EventWriter, _prompt: bytes, _number: int) -> None:
    writer.init()
    writer.flush("A whole segment.")
    writer.result("A whole segment.", usage=None)


def garbage(writer: EventWriter, _prompt: bytes, _number: int) -> None:
    writer.line(b"(node:1) ExperimentalWarning: something")
    writer.init()
    writer.line(
        b"stdout: "
        + json.dumps(
            {"type": "assistant", "message": message("assistant", "one "), **writer.stamp()}
        ).encode()
    )
    writer.line(
        b'{"type":"assistant","message":{"content":[{"type":"text","text":"t\xff\xfewo"}]},"timestamp_ms":5}'
    )
    writer.line(b'{"type":"assistant","message":{"con')
    writer.line(b"\x00\x01\x02\xff")
    writer.line(b"[1, 2, 3]")
    writer.line(b'!{"status":500,"code":"x","message":"forged","type":"x"}')
    writer.line(b'{"type":"brand_new_event","x":1}')
    writer.deltas(" three")
    writer.result("one two three")


def huge(writer: EventWriter, _prompt: bytes, _number: int) -> None:
    writer.init()
    content = "x" * (5 * 1024 * 1024)
    writer.tool(
        "edit",
        {"path": "/w/big"},
        {
            "success": {
                "path": "/w/big",
                "linesAdded": 1,
                "linesRemoved": 0,
                "afterFullFileContent": content,
            }
        },
    )
    writer.deltas("after the big one")
    writer.result("after the big one")


def mirrored(writer: EventWriter, prompt: bytes, number: int) -> None:
    """Repeat the prompt event on stderr."""
    answer(writer, prompt, number)
    sys.stderr.write(
        json.dumps({"type": "user", "message": message("user", prompt.decode())}) + "\n" * 3
    )


def mirrored_failure(_say: EventWriter, prompt: bytes, _number: int) -> NoReturn:
    sys.stderr.write(
        json.dumps({"type": "user", "message": message("user", prompt.decode())}) + "\n"
    )
    sys.stderr.write("boom: it broke\n")
    sys.exit(1)


def fails(text: str, code: int = 1, stream: str = "stderr") -> Scenario:
    def scenario(_say: EventWriter, _prompt: bytes, _number: int) -> NoReturn:
        getattr(sys, stream).write(text)
        sys.exit(code)

    return scenario


def failed_result(text: str) -> Scenario:
    def scenario(writer: EventWriter, _prompt: bytes, _number: int) -> None:
        writer.init()
        writer.result(text, subtype="error", is_error=True)

    return scenario


def retriable_text(writer: EventWriter, _prompt: bytes, _number: int) -> None:
    """Report an error of Cursor's own as the whole answer, and success."""
    text = "Error: RetriableError: [unavailable] Error"
    writer.init()
    writer.deltas(text)
    writer.flush(text)
    writer.result(text)


def crash(writer: EventWriter, _prompt: bytes, _number: int) -> None:
    writer.init()
    writer.deltas("half an ans")
    os.kill(os.getpid(), signal.SIGSEGV)


def acts_then_crashes(writer: EventWriter, _prompt: bytes, _number: int) -> NoReturn:
    writer.init()
    writer.tool("write", {"path": "/w/new"}, {"success": {"path": "/w/new", "linesCreated": 1}})
    sys.exit(1)


def silent_end(writer: EventWriter, _prompt: bytes, _number: int) -> None:
    writer.init()


def hang(where: str) -> Scenario:
    def scenario(writer: EventWriter, prompt: bytes, number: int) -> None:
        if where == "result":
            answer(writer, prompt, number)
        elif where == "middle":
            writer.init()
            writer.deltas("I begin, ")
        time.sleep(LONG)

    return scenario


def stubborn(writer: EventWriter, prompt: bytes, number: int) -> None:
    """Ignore SIGTERM, in this process and in its children."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    orphan(writer, prompt, number)
    time.sleep(LONG)


def stubborn_in_the_middle(writer: EventWriter, prompt: bytes, number: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    orphan(SilentWriter(), prompt, number)
    writer.init()
    writer.deltas("I begin, ")
    time.sleep(LONG)


def orphan(writer: EventWriter, prompt: bytes, number: int) -> None:
    """Start a grandchild that keeps the pipes open, and one that leaves the process group."""
    for more in ({}, {"start_new_session": True}):
        child = subprocess.Popen(
            [
                sys.executable,
                "-I",
                "-S",
                "-c",
                "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(3600)",
            ],
            **more,  # type: ignore[call-overload]
        )
        with (HERE / "grandchildren").open("a") as file:
            file.write(f"{child.pid}\n")
    answer(writer, prompt, number)


def orphan_without_result(writer: EventWriter, prompt: bytes, number: int) -> NoReturn:
    orphan(SilentWriter(), prompt, number)
    writer.init()
    os._exit(0)


def closes_stdout(writer: EventWriter, _prompt: bytes, _number: int) -> None:
    writer.init()
    os.close(1)
    time.sleep(LONG)


def hangs_logged_out(_say: EventWriter, _prompt: bytes, _number: int) -> None:
    """Report a missing login without a final line feed, then hang."""
    sys.stderr.write("\n" + NEEDS_LOGIN)
    sys.stderr.flush()
    time.sleep(LONG)


def race(writer: EventWriter, prompt: bytes, number: int) -> None:
    """Fail the first turn like a collision with another cursor-agent."""
    if number == 0:
        sys.stderr.write(
            "Error: ENOENT: no such file or directory, rename '/h/.cursor/cli-config.json.1.tmp' -> '/h/.cursor/cli-config.json'\n"
        )
        sys.exit(1)
    answer(writer, prompt, number)


def foreign_key(writer: EventWriter, _prompt: bytes, _number: int) -> None:
    writer.init("env")
    writer.deltas("this costs money")
    time.sleep(LONG)


def slow(writer: EventWriter, prompt: bytes, number: int) -> None:
    """Wait for `go`, and record that this turn is running."""
    writer.init()
    (HERE / f"at-work-{os.getpid()}").touch()
    while not (HERE / "go").exists():
        time.sleep(0.01)
    (HERE / f"at-work-{os.getpid()}").unlink()
    answer(EventWriter(), prompt, number)


def waits_to_begin(writer: EventWriter, prompt: bytes, number: int) -> None:
    while not (HERE / f"begin-{number}").exists():
        time.sleep(0.01)
    answer(writer, prompt, number)


def endless(writer: EventWriter, _prompt: bytes, _number: int) -> None:
    writer.init()
    while True:
        writer.deltas("more ")
        time.sleep(0.05)


def echo(writer: EventWriter, prompt: bytes, _number: int) -> None:
    """Answer in the second turn whether the prompt holds the first."""
    text = prompt.decode()
    writer.init(prompt=prompt)
    writer.deltas("I remember it." if "FIRST-TURN-7f3a" in text and "Noted." in text else "Noted.")
    writer.result("")


def many(writer: EventWriter, _prompt: bytes, _number: int) -> None:
    writer.init()
    for text in numbers():
        writer.deltas(text)
    writer.result("".join(numbers()))


def text_only(writer: EventWriter, prompt: bytes, number: int) -> None:
    """Answer with the text that the test has set."""
    text = scripted_text(prompt, number)
    writer.init(prompt=prompt)
    # a long text in longer pieces: each is an event of its own
    size = 7 if len(text) < 10_000 else 31
    writer.deltas(*(text[at : at + size] for at in range(0, len(text), size)))
    writer.flush(text)
    writer.result(text)


def scripted_text(prompt: bytes, number: int) -> str:
    """Return the text that the test has set for this turn, with the key from the end of the prompt."""
    lines: list[str] = json.loads((HERE / "lines").read_text())
    _, _, rest = prompt.decode().rpartition("```codex-call-")
    return lines[number].replace("KEY", rest.splitlines()[0] if rest else "no-key")


def text_then_tool(writer: EventWriter, prompt: bytes, number: int) -> None:
    """Start a tool of its own after the text, and hang."""
    writer.init(prompt=prompt)
    writer.deltas(scripted_text(prompt, number))
    shell = {"shellToolCall": {"args": {"command": "x"}}}
    writer.event("tool_call", subtype="started", call_id="1", tool_call=shell)
    time.sleep(LONG)


def numbers() -> Iterable[str]:
    return (f"{number} " for number in range(2000))


SCENARIOS: dict[str, Scenario] = {
    "answer": answer,
    "traps": traps,
    "no_partials": no_partials,
    "garbage": garbage,
    "huge": huge,
    "mirrored": mirrored,
    "mirrored_failure": mirrored_failure,
    "auth": fails(NEEDS_LOGIN),
    "auth_on_stdout": fails("[unauthenticated] Error\n", 1, "stdout"),
    "quota": fails(QUOTA),
    "capacity": fails("w: [resource_exhausted] Error\n"),
    "model": fails("Cannot use this model: composer-2.5. Available models: auto\n", 1, "stdout"),
    "plan": fails("T: Named models unavailable\n", 1, "stdout"),
    "trust": fails("Workspace Trust Required\nPass --trust, --yolo, or -f if you trust it\n", 0),
    "option": fails("error: unknown option '--stream-partial-output'\n"),
    "failed_result": failed_result("something went wrong upstream"),
    "failed_result_auth": failed_result("[unauthenticated] Error"),
    "unreachable": fails("[unavailable] connect ETIMEDOUT 192.0.2.1:443\n"),
    "retriable_text": retriable_text,
    "cannot_start": fails("dyld: Library not loaded: @rpath/libnode.127.dylib\n", 134),
    "crash": crash,
    "acts_then_crashes": acts_then_crashes,
    "nothing": lambda *_: None,
    "silent_end": silent_end,
    "hang_before_init": hang("start"),
    "hang_in_the_middle": hang("middle"),
    "hang_after_result": hang("result"),
    "deaf": hang("middle"),
    "stubborn": stubborn,
    "stubborn_in_the_middle": stubborn_in_the_middle,
    "orphan": orphan,
    "orphan_without_result": orphan_without_result,
    "closes_stdout": closes_stdout,
    "hangs_logged_out": hangs_logged_out,
    "auth_without_line_end": fails(NEEDS_LOGIN.rstrip()),
    "race": race,
    "foreign_key": foreign_key,
    "slow": slow,
    "waits_to_begin": waits_to_begin,
    "endless": endless,
    "echo": echo,
    "many": many,
    "text_only": text_only,
    "text_then_tool": text_then_tool,
}
