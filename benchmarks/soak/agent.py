"""A fake `cursor-agent` for the soak run. The mark in its prompt selects its answer.

Never does: import slow modules, since each turn is a process of its own. Its output has the form of
`tests/fakes/cursor_agent.py`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.soak.parts import MARK, parts_of  # noqa: E402  the file runs as a program

PAUSE_SECONDS = 0.01
HANG_SECONDS = 120.0
"""How long a turn would still run after its client disconnected. The shim must kill it."""
STATUS = {"status": "authenticated", "isAuthenticated": True, "hasAccessToken": True}


def install(folder: Path, seed: int) -> Path:
    """Write the program that the shim runs. Return its path."""
    binary = folder / "cursor-agent"
    binary.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{__file__}" {seed} "$@"\n')
    binary.chmod(0o755)
    return binary


def alive() -> int:
    """Return the number of running turns on this machine."""
    found = 0
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command_line = process.read_bytes().split(b"\0")
        except OSError:
            continue
        found += __file__.encode() in command_line and b"--print" in command_line
    return found


def _event(kind: str, **fields: object) -> None:
    sys.stdout.write(json.dumps({"type": kind, **fields, "session_id": "soak"}) + "\n")
    sys.stdout.flush()


def _message(role: str, text: str) -> dict[str, object]:
    return {"role": role, "content": [{"type": "text", "text": text}]}


def _turn(seed: int) -> None:
    mark = MARK.search(sys.stdin.buffer.read())
    assert mark, "a prompt without a mark"
    fault, parts = mark[2].decode(), parts_of(int(mark[1]), seed)
    _event("system", subtype="init", apiKeySource="login", cwd=str(Path.cwd()), model="Composer")
    for at, part in enumerate(parts):
        if at == len(parts) // 2 and fault == "cut":
            sys.exit("internal failure")
        if at == len(parts) // 2 and fault == "leave":
            time.sleep(HANG_SECONDS)
        _event("assistant", message=_message("assistant", part), timestamp_ms=at + 1)
        time.sleep(PAUSE_SECONDS)
    _event("assistant", message=_message("assistant", "".join(parts)))
    usage = {"inputTokens": 10, "outputTokens": 3, "cacheReadTokens": 5, "cacheWriteTokens": 0}
    _event("result", subtype="success", is_error=False, result="".join(parts), usage=usage)


def main(seed: int, arguments: list[str]) -> None:
    """Execute the command line of the shim."""
    match arguments:
        case ["--version"]:
            print("2026.08.11-e8db854")
        case ["status", *_]:
            print(json.dumps(STATUS))
        case ["models"]:
            print("composer-2.5-fast - Composer 2.5 Fast\ncomposer-2.5 - Composer 2.5")
        case _:
            _turn(seed)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
