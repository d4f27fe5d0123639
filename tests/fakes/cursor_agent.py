"""A fake `cursor-agent` program that reproduces the observed behaviour of the real one.

It reads its instructions from files in $FAKE_CURSOR, so that a test can change them while a shim runs, and records its
input there. Never does: import a module of the product, because it runs as a program of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    # The fake starts without site-packages and without an import path of its own.
    sys.path.append(str(Path(__file__).parents[2]))

from tests.fakes.cursor_scenarios import HERE, LONG, SCENARIOS
from tests.fakes.cursor_stream import EventWriter

KEYS = ("CURSOR_API_KEY", "CURSOR_AUTH_TOKEN")

IN = {
    "status": "authenticated",
    "isAuthenticated": True,
    "hasAccessToken": True,
    "hasRefreshToken": True,
    "userInfo": {"email": "dev@example.com", "userId": 1, "createdAt": "2026-01-01"},
}
OUT = {
    "status": "unauthenticated",
    "isAuthenticated": False,
    "hasAccessToken": False,
    "hasRefreshToken": False,
    "message": "Not logged in",
}


def setting(name: str, default: str) -> str:
    try:
        return (HERE / name).read_text().strip()
    except OSError:
        return default


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def main() -> None:
    for key in KEYS:
        if key in os.environ:
            (HERE / "leaked").write_text(key)
            sys.exit(
                f"⚠ Warning: The provided API key is invalid.\nThe API key was loaded from the {key} environment variable."
            )
    match sys.argv[1:]:
        case ["--version"]:
            say("2026.08.11-e8db854")
        case ["status", *rest]:
            status(rest)
        case ["models"]:
            say(
                "Available models\n\nauto - Auto\ncomposer-2.5-fast - Composer 2.5 Fast (default)\ncomposer-2.5 - Composer 2.5 (current)\n\nTip: use --model <id>"
            )
        case arguments if "--print" in arguments:
            turn(arguments)
        case _:
            sys.exit("error: unknown option")


def status(arguments: list[str]) -> None:
    with (HERE / "status-queries").open("a") as queries:
        queries.write(f"{os.getpid()}\n")
    login = setting("login", "in")
    if login == "hangs":
        time.sleep(LONG)
    if "--format" not in arguments:
        say(
            "✓ Logged in as dev@example.com"
            if login in {"in", "text-in"}
            else "\x1b[31mNot logged in\x1b[0m"
        )
    elif login.startswith("text"):
        sys.exit("error: unknown option '--format'")
    else:
        say(json.dumps({"in": IN, "out": OUT}.get(login, {"odd": True})))


def turn(arguments: list[str]) -> None:
    scenario = setting("scenario", "answer")
    if scenario == "deaf":
        sys.stdin.close()
        prompt = b""
    else:
        prompt = sys.stdin.buffer.read()
    number = note_turn(arguments, prompt)
    try:
        SCENARIOS[scenario](EventWriter(), prompt, number)
    finally:
        sys.stdout.flush()


def note_turn(arguments: list[str], prompt: bytes) -> int:
    """Record the input of this turn. Return the number of earlier turns."""
    for number in range(1000):
        try:
            descriptor = os.open(HERE / f"turn-{number}.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            continue
        break
    record = {
        "argv": arguments,
        "cwd": str(Path.cwd()),
        "env": dict(os.environ),
        "sha256": hashlib.sha256(prompt).hexdigest(),
        "prompt": prompt.decode("utf-8", "replace"),
        "pid": os.getpid(),
        "group": os.getpgrp(),
        "umask": current_umask(),
        "at": time.time(),
    }
    with os.fdopen(descriptor, "w") as file:
        json.dump(record, file)
    (HERE / f"turn-{number}.json").rename(HERE / f"seen-{number}.json")
    (HERE / f"turn-{number}.json").touch()
    return number


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


if __name__ == "__main__":
    main()
