"""Runs each call of a client program in a fork of it: the import of an SDK takes seconds.

Standard input: one call per line, as JSON with `arguments`, `env`, and a `folder` that has the call's `stdin`. The call
writes `stdout` and `stderr` there, and its exit code is printed. It imports nothing of this project.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def serve(main: Callable[[], None]) -> None:
    """Run `main` for each call, until the input ends."""
    while line := sys.stdin.readline():
        if not (pid := os.fork()):
            _become(json.loads(line), main)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)  # noqa: T201


def _become(call: Mapping[str, Any], main: Callable[[], None]) -> None:
    code = 1
    try:
        folder = Path(call["folder"])
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            flags = os.O_WRONLY | os.O_CREAT if number else os.O_RDONLY
            os.dup2(os.open(folder / name, flags), number)
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  without what is read ahead
        os.environ.clear()
        os.environ.update(call["env"])
        sys.argv[1:] = call["arguments"]
        main()
        code = 0
    except BaseException:  # noqa: BLE001  a fork must not go on as its parent
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)
