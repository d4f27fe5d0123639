"""The turns that the fake cursor-agent can play, by name: how it answers, fails, hangs, and leaves children behind.

Never does: import a module of the product, since it is part of a program of its own.
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

from tests.fakes.cursor_says import Say, Silent, message

HERE = Path(os.environ.get("FAKE_CURSOR", "."))
LONG = 3600
QUOTA = """Error: You've hit your usage limit for composer-2.5
  spendLimitHit: true
  chatMessage: "Your usage resets on 12/1/2026"
ActionRequiredError: usage limit
"""
NEEDS_LOGIN = "Error: Authentication required. Please run 'agent login' first, or set CURSOR_API_KEY environment variable.\n"

Scenario = Callable[[Say, bytes, int], object]


def answer(say: Say, prompt: bytes, number: int) -> None:
    say.init(prompt=prompt)
    say.think("Reading ", "the request.")
    text = f"Answer {number} of Cursor."
    say.deltas(*(word + " " for word in text.split()))
    say.flush(text + " ")
    say.result(text + " ")


def traps(say: Say, prompt: bytes, _number: int) -> None:
    """Prefixes of one another, the same segment twice, a tool between, a final flush of everything."""
    say.init(prompt=prompt)
    first = ("1", "10", "100", "ha", "ha")
    say.deltas(*first)
    say.flush_before_tool("".join(first))
    say.tool("read", {"path": "/w/a.py"}, {"success": {"content": "x", "totalLines": 3}})
    say.deltas("done", ".")
    say.flush_before_tool("done.", "1")
    say.tool(
        "shell",
        {"command": "ls"},
        {"rejected": {"command": "ls", "reason": "not allowed"}},
        "call_2",
    )
    say.event("interaction_query", subtype="request", query={"id": 1})
    say.deltas("done", ".")
    say.flush("110100hahadone.done.")
    say.result("110100hahadone.done.")


def no_partials(say: Say, _prompt: bytes, _number: int) -> None:
    say.init()
    say.flush("A whole segment.")
    say.result("A whole segment.", usage=None)


def garbage(say: Say, _prompt: bytes, _number: int) -> None:
    say.line(b"(node:1) ExperimentalWarning: something")
    say.init()
    say.line(
        b"stdout: "
        + json.dumps(
            {"type": "assistant", "message": message("assistant", "one "), **say.stamp()}
        ).encode()
    )
    say.line(
        b'{"type":"assistant","message":{"content":[{"type":"text","text":"t\xff\xfewo"}]},"timestamp_ms":5}'
    )
    say.line(b'{"type":"assistant","message":{"con')
    say.line(b"\x00\x01\x02\xff")
    say.line(b"[1, 2, 3]")
    say.line(b'!{"status":500,"code":"x","message":"forged","type":"x"}')
    say.line(b'{"type":"brand_new_event","x":1}')
    say.deltas(" three")
    say.result("one two three")


def huge(say: Say, _prompt: bytes, _number: int) -> None:
    say.init()
    content = "x" * (5 * 1024 * 1024)
    say.tool(
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
    say.deltas("after the big one")
    say.result("after the big one")


def mirrored(say: Say, prompt: bytes, number: int) -> None:
    """The pipes are apart, and stderr says everything once more."""
    answer(say, prompt, number)
    sys.stderr.write(
        json.dumps({"type": "user", "message": message("user", prompt.decode())}) + "\n" * 3
    )


def mirrored_failure(_say: Say, prompt: bytes, _number: int) -> NoReturn:
    sys.stderr.write(
        json.dumps({"type": "user", "message": message("user", prompt.decode())}) + "\n"
    )
    sys.stderr.write("boom: it broke\n")
    sys.exit(1)


def fails(text: str, code: int = 1, stream: str = "stderr") -> Scenario:
    def scenario(_say: Say, _prompt: bytes, _number: int) -> NoReturn:
        getattr(sys, stream).write(text)
        sys.exit(code)

    return scenario


def failed_result(text: str) -> Scenario:
    def scenario(say: Say, _prompt: bytes, _number: int) -> None:
        say.init()
        say.result(text, subtype="error", is_error=True)

    return scenario


def crash(say: Say, _prompt: bytes, _number: int) -> None:
    say.init()
    say.deltas("half an ans")
    os.kill(os.getpid(), signal.SIGSEGV)


def acts_then_crashes(say: Say, _prompt: bytes, _number: int) -> NoReturn:
    say.init()
    say.tool("write", {"path": "/w/new"}, {"success": {"path": "/w/new", "linesCreated": 1}})
    sys.exit(1)


def silent_end(say: Say, _prompt: bytes, _number: int) -> None:
    say.init()


def hang(where: str) -> Scenario:
    def scenario(say: Say, prompt: bytes, number: int) -> None:
        if where == "result":
            answer(say, prompt, number)
        elif where == "middle":
            say.init()
            say.deltas("I begin, ")
        time.sleep(LONG)

    return scenario


def stubborn(say: Say, prompt: bytes, number: int) -> None:
    """Ends neither by itself nor by being asked to, and so do its children."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    orphan(say, prompt, number)
    time.sleep(LONG)


def stubborn_in_the_middle(say: Say, prompt: bytes, number: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    orphan(Silent(), prompt, number)
    say.init()
    say.deltas("I begin, ")
    time.sleep(LONG)


def orphan(say: Say, prompt: bytes, number: int) -> None:
    """A grandchild that keeps the pipes open, and one that has left the group."""
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
    answer(say, prompt, number)


def orphan_without_result(say: Say, prompt: bytes, number: int) -> NoReturn:
    orphan(Silent(), prompt, number)
    say.init()
    os._exit(0)


def closes_stdout(say: Say, _prompt: bytes, _number: int) -> None:
    say.init()
    os.close(1)
    time.sleep(LONG)


def hangs_logged_out(_say: Say, _prompt: bytes, _number: int) -> None:
    """It says why it cannot begin, without a line end, and does not end."""
    sys.stderr.write("\n" + NEEDS_LOGIN)
    sys.stderr.flush()
    time.sleep(LONG)


def race(say: Say, prompt: bytes, number: int) -> None:
    """The first one meets another one at its start."""
    if number == 0:
        sys.stderr.write(
            "Error: ENOENT: no such file or directory, rename '/h/.cursor/cli-config.json.1.tmp' -> '/h/.cursor/cli-config.json'\n"
        )
        sys.exit(1)
    answer(say, prompt, number)


def foreign_key(say: Say, _prompt: bytes, _number: int) -> None:
    say.init("env")
    say.deltas("this costs money")
    time.sleep(LONG)


def slow(say: Say, prompt: bytes, number: int) -> None:
    """Until it is told to go on. Notes how many are at it."""
    say.init()
    (HERE / f"at-work-{os.getpid()}").touch()
    while not (HERE / "go").exists():
        time.sleep(0.01)
    (HERE / f"at-work-{os.getpid()}").unlink()
    answer(Say(), prompt, number)


def waits_to_begin(say: Say, prompt: bytes, number: int) -> None:
    while not (HERE / f"begin-{number}").exists():
        time.sleep(0.01)
    answer(say, prompt, number)


def endless(say: Say, _prompt: bytes, _number: int) -> None:
    say.init()
    while True:
        say.deltas("more ")
        time.sleep(0.05)


def echo(say: Say, prompt: bytes, _number: int) -> None:
    """The second turn says whether it was given the first."""
    text = prompt.decode()
    say.init(prompt=prompt)
    say.deltas("I remember it." if "FIRST-TURN-7f3a" in text and "Noted." in text else "Noted.")
    say.result("")


def many(say: Say, _prompt: bytes, _number: int) -> None:
    say.init()
    for text in numbers():
        say.deltas(text)
    say.result("".join(numbers()))


def speaks(say: Say, prompt: bytes, number: int) -> None:
    """A model that only speaks."""
    text = spoken(prompt, number)
    say.init(prompt=prompt)
    say.deltas(*(text[at : at + 7] for at in range(0, len(text), 7)))
    say.flush(text)
    say.result(text)


def spoken(prompt: bytes, number: int) -> str:
    """What the test has it say in this turn, with the key that the prompt ends in."""
    lines: list[str] = json.loads((HERE / "lines").read_text())
    _, _, told = prompt.decode().rpartition("```codex-call-")
    return lines[number].replace("KEY", told.splitlines()[0] if told else "no-key")


def speaks_then_acts(say: Say, prompt: bytes, number: int) -> None:
    """It does not stop after its call, and takes its time."""
    say.init(prompt=prompt)
    say.deltas(spoken(prompt, number))
    shell = {"shellToolCall": {"args": {"command": "x"}}}
    say.event("tool_call", subtype="started", call_id="1", tool_call=shell)
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
    "speaks": speaks,
    "speaks_then_acts": speaks_then_acts,
}
