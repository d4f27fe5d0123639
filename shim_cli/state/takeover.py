"""Lend the port of the background shim to another program, and start the shim again when that program has ended.

A small process waits for the end of a pipe whose other end only the borrower holds. The kernel closes that end however
the borrower ends, also by SIGKILL, so the port is given back in any case.

Never does: stop a shim that runs in the foreground, or another program. Invariant: after `lend_port` the port is free.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from shim_cli.console.command_line import command
from shim_cli.console.errors import CliError
from shim_cli.state.daemon import start, stop_daemon
from shim_cli.state.health import is_listening, probe
from shim_cli.state.processes import describe_listener, detached
from shim_cli.state.run_state import read_state, run_dir


def lend_port(env: Mapping[str, str], port: int) -> bool:
    """Free the port for this process and what replaces it. Return whether a background shim was stopped for that.

    Raises CliError if anything else listens there.
    """
    if not is_listening(port):
        return False
    state = read_state(env, port)
    if not (state and state.detached and state.is_alive):
        raise _in_use(env, port)
    stop_daemon(env, port)
    _start_again_at_the_end(env, port, state.settings)
    return True


def _in_use(env: Mapping[str, str], port: int) -> CliError:
    holder = describe_listener(port)
    by = f" by {holder}" if holder else ""
    state = read_state(env, port)
    if state and state.is_alive:
        msg = f"port {port} is in use by a codex-shim in the foreground (pid {state.pid})"
        return CliError(msg, f"Stop it: {command('stop', port)}")
    what = "" if probe(port).state == "running" else ", which is no codex-shim"
    return CliError(f"port {port} is in use{by}{what}", "Use another one: --port PORT")


def _start_again_at_the_end(env: Mapping[str, str], port: int, settings: str) -> None:
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    log = os.open(run_dir(env) / f"{port}.out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        subprocess.Popen(  # noqa: S603  our own interpreter, and no shell
            [sys.executable, "-P", "-m", "shim_cli.state.takeover", str(port), settings],
            cwd=run_dir(env),
            env={**env},
            stdin=read_end,
            stdout=log,
            stderr=log,
            **detached(),
        )
    finally:
        os.close(read_end)
        os.close(log)


def main(port: int, settings: str) -> None:
    """Wait until the borrower has ended, then start the shim."""
    sys.stdin.buffer.read()
    start(os.environ, port, Path(settings) if settings else None)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
