"""Run the CLI as a user does: in a process of its own with its own home folder.

Where the system can, the process is a fork of a server that has imported the CLI's libraries: most of the time of a short
command is spent on these imports. Tests of the start itself, and of commands that run until they are stopped, use
`START`.
"""

from __future__ import annotations

import atexit
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path

START = [sys.executable, "-P", "-c", "from shim_cli.app import main; main()"]
CLOSED_PORT = "9"
SECONDS = 50.0
READ_AT_START = ("COVERAGE", "LANG", "LC_", "PYTHON", "TZ")
"""Beginnings of the names of variables that a process reads before the CLI begins."""
Done = subprocess.CompletedProcess[str]


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a machine without Codex, login or settings."""
    return {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "PATH": str(home / "no-binaries"),
        "CODEX_SHIM_STATE_DIR": str(home / "state"),
        "CODEX_SHIM_PORT": CLOSED_PORT,
        "CODEX_SHIM_CHATGPT_BASE_URL": f"http://127.0.0.1:{CLOSED_PORT}/backend-api/codex",
        "COLUMNS": "100",
        **{name: os.environ[name] for name in ("SYSTEMROOT", "TMPDIR") if name in os.environ},
        **(more or {}),
    }


def shim(
    home: Path,
    *args: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str = "",
) -> Done:
    """Run `codex-shim ARGS` and return the result."""
    return run(args, environment(home, env), cwd or home, stdin)


def run(args: Sequence[str], env: Mapping[str, str], cwd: Path, stdin: str = "") -> Done:
    """Run `codex-shim ARGS` in exactly this environment and return the result."""
    if sys.platform == "linux" and not any(name.startswith(READ_AT_START) for name in env):
        return _run_fork(args, env, cwd, stdin)
    return subprocess.run(
        [*START, *args],
        env=env,
        cwd=cwd,
        capture_output=True,
        text=True,
        input=stdin,
        timeout=SECONDS,
        check=False,
    )


@cache
def _fork_server() -> socket.socket:
    """Start the fork server of this process and return its socket. The server ends with this process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    program = Path(__file__).with_name("fork_server.py").read_text()
    with theirs:
        server = subprocess.Popen(
            [sys.executable, "-P", "-c", program, str(theirs.fileno())],
            env=environment(Path(os.sep)),
            cwd=os.sep,
            # of the same kind as those of a command, because `sys.stdin` and the others are made from them
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[theirs.fileno()],
        )
    atexit.register(_stop, ours, server)
    return ours


def _stop(calls: socket.socket, server: subprocess.Popen[bytes]) -> None:
    calls.close()
    with server:
        server.kill()


def _run_fork(args: Sequence[str], env: Mapping[str, str], cwd: Path, stdin: str) -> Done:
    call = json.dumps([args, env, str(cwd), _umask()]).encode()
    (stdin_read, stdin_write), *outputs = (os.pipe() for _ in range(4))
    # a pipe holds the few bytes that a test types
    os.write(stdin_write, stdin.encode())
    os.close(stdin_write)
    with ExitStack() as pipes:
        for read, _ in outputs:
            pipes.callback(os.close, read)
        with ExitStack() as given:
            for descriptor in (stdin_read, *(write for _, write in outputs)):
                given.callback(os.close, descriptor)
            socket.send_fds(_fork_server(), [call], [stdin_read, *(write for _, write in outputs)])
        stdout, stderr, result = _read_all([read for read, _ in outputs])
    return Done([*START, *args], int(result.split()[1]), stdout, stderr)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _kill(pid: int, result: int) -> None:
    """Kill a command, and wait until the server has reported its end."""
    os.kill(pid, signal.SIGKILL)
    while os.read(result, 1 << 16):
        pass


def _read_all(sources: Sequence[int]) -> list[str]:
    """Return what is written to these pipes. The last one is that of the process id and the exit code."""
    read = dict.fromkeys(sources, b"")
    deadline = time.monotonic() + SECONDS
    with selectors.DefaultSelector() as selector:
        for source in sources:
            selector.register(source, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                _kill(int(read[sources[-1]].split()[0]), sources[-1])
                raise subprocess.TimeoutExpired(START, SECONDS)
            for key, _ in ready:
                data = os.read(key.fd, 1 << 16)
                read[key.fd] += data
                if not data:
                    selector.unregister(key.fd)
    return [data.decode().replace("\r\n", "\n") for data in read.values()]
