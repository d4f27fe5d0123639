"""`codex-shim start`, `stop` and `restart`: run `serve` as a background process.

Never does: stop a process other than the recorded one, hide a failed start in the log. Invariant: after `start` the
shim answers; after `stop` the process has exited and its turns had their drain time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from addons.adapters.system.file_lock import LockedError, locked
from addons.adapters.system.files import FileAccessError
from addons.adapters.system.local_token import ensure_token, read_token
from addons.adapters.system.paths import state_dir
from addons.core.version import VERSION
from shim_cli.console.command_line import command
from shim_cli.console.errors import STATE_FOLDER_ADVICE, CliError
from shim_cli.console.settings_file import require_settings_file
from shim_cli.state.health import Health, accepts_token, probe
from shim_cli.state.processes import (
    belongs_to_other_user,
    describe_listener,
    detached,
    kill,
    terminate,
)
from shim_cli.state.run_state import RunState, read_state, remove_state, run_dir

START_TIMEOUT = 30.0
STOP_TIMEOUT = 10.0
"""Added to the drain time of the turns."""
UNHEALTHY_TIMEOUT = 10.0
POLL_SECONDS = 0.05
PRIVACY_VARIABLE = "CODEX_SHIM_PRIVACY"
"""Switches the privacy gate on."""
NOTICE_SECONDS = 1.0
MAX_OUTPUT_CHARACTERS = 2000
PATH_VARIABLES = ("CODEX_HOME", "CODEX_SHIM_CA_FILE", "CODEX_SHIM_SETTINGS", "CODEX_SHIM_STATE_DIR")
"""Variables that hold a path. Relative ones are resolved: the daemon has another working folder."""


@dataclass(frozen=True, slots=True)
class Started:
    """The shim that answers on the port."""

    url: str
    pid: int
    was_running: bool
    log: str = ""
    version: str = ""

    def notice(self, port: int) -> str:
        """Return the notice that a command started the shim."""
        return f"codex-shim is now running in the background. Stop it: {command('stop', port)}"


def start(
    env: Mapping[str, str], port: int, settings: Path | None, *, privacy: bool = False
) -> int:
    """Start the shim, or report that it is running. Raises CliError."""
    if privacy:
        env = {**env, PRIVACY_VARIABLE: "1"}
    started = ensure_started(env, port, settings)
    state = "already running" if started.was_running else "running"
    lines = [f"{state} at {started.url} (pid {started.pid})"]
    if started.log:
        lines.append(f"  log   {started.log}")
    if started.version != VERSION:
        lines.append(
            f"It is version {started.version}; this command is {VERSION}. Update it: {command('restart', port)}"
        )
    lines.append(f"Stop it: {command('stop', port)}")
    typer.echo("\n".join(lines))
    return 0


def stop(env: Mapping[str, str], port: int) -> int:
    """Stop the shim and wait until it has exited. Return 0, also if none is running. Raises CliError."""
    typer.echo(stop_daemon(env, port) or f"not running: no codex-shim listens on port {port}")
    return 0


def ensure_started(
    env: Mapping[str, str], port: int, settings: Path | None, lifeline: int | None = None
) -> Started:
    """Return the shim on this port; start it if it is not running. Raises CliError.

    `lifeline` is the reading end of a pipe. A shim that is started ends when no process has its other end any more.
    """
    require_settings_file(settings)
    folder = run_dir(env)
    try:
        ensure_token(env)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(folder / f".{port}.lock", START_TIMEOUT):
            return _running(env, port) or _start(env, port, settings, lifeline)
    except LockedError as error:
        raise CliError(str(error), f"Check its status: {command('status', port)}") from None
    except FileAccessError as error:
        raise CliError(str(error), STATE_FOLDER_ADVICE) from error


def running_shim(env: Mapping[str, str], port: int) -> Started:
    """Return the shim on this port. Raises CliError if none is running."""
    if started := _running(env, port):
        return started
    msg = f"no codex-shim is running on port {port}"
    raise CliError(msg, f"Start it: {command('start', port)}")


def _running(env: Mapping[str, str], port: int) -> Started | None:
    health = _stable_health(env, port)
    if health.state == "stopped":
        return None
    if health.state == "running" and not belongs_to_other_user(port):
        _require_known_token(env, port, health)
        return _started_shim(env, port, health, was_running=True)
    if health.state == "running":
        health = replace(
            health, reason="the process belongs to another user, who could read your requests"
        )
    holder = describe_listener(port)
    by = f" by {holder}" if holder else ""
    msg = f"port {port} is in use{by}: {health.reason}"
    raise CliError(msg, f"Use another port: {command('start', port + 1)}")


def _require_known_token(env: Mapping[str, str], port: int, health: Health) -> None:
    """Raise CliError if the shim uses another state folder: it would reject the token in Codex's config."""
    if not accepts_token(health.url, read_token(env)):
        msg = f"the codex-shim at {health.url} uses another state folder and rejects the token in {state_dir(env)}"
        advice = f"Set CODEX_SHIM_STATE_DIR to its state folder, or use another port: {command('start', port + 1)}"
        raise CliError(msg, advice)


def _stable_health(env: Mapping[str, str], port: int) -> Health:
    """Return the health of the port; retry while the recorded shim is alive but slow to answer."""
    deadline = time.monotonic() + UNHEALTHY_TIMEOUT
    while True:
        health = probe(port)
        state = read_state(env, port)
        is_ours = state is not None and state.is_alive
        if health.state != "unhealthy" or not is_ours or time.monotonic() > deadline:
            return health
        time.sleep(POLL_SECONDS)


def _started_shim(
    env: Mapping[str, str], port: int, health: Health, *, was_running: bool
) -> Started:
    state = read_state(env, port)
    pid = health.report.get("pid")
    pid = pid if isinstance(pid, int) else 0
    log = state.log if state and state.pid == pid else ""
    return Started(health.url, pid, was_running, log, str(health.report.get("version", "")))


def _start(
    env: Mapping[str, str], port: int, settings: Path | None, lifeline: int | None
) -> Started:
    output = run_dir(env) / f"{port}.out"
    child = _spawn(env, port, settings, output, lifeline)
    try:
        return _when_started(env, port, child, output)
    except (KeyboardInterrupt, SystemExit):
        child.terminate()
        raise


def _when_started(
    env: Mapping[str, str], port: int, child: subprocess.Popen[bytes], output: Path
) -> Started:
    deadline = time.monotonic() + START_TIMEOUT
    while child.poll() is None and time.monotonic() < deadline:
        health = probe(port)
        if health.state == "running" and _is_recorded(env, port, health):
            return _started_shim(env, port, health, was_running=False)
        time.sleep(POLL_SECONDS)
    if child.poll() is None:
        child.terminate()
        msg = f"codex-shim did not answer on port {port} within {START_TIMEOUT:g} s"
        raise CliError(msg, f"Run it in the foreground to see why: {command('serve', port)}")
    raise _start_error(output, port)


def _is_recorded(env: Mapping[str, str], port: int, health: Health) -> bool:
    """Return whether the answering process is the recorded one.

    The pid of the child is not enough: on Windows it may belong to a launcher of Python.
    """
    state = read_state(env, port)
    return state is not None and state.pid == health.report.get("pid")


def _start_error(output: Path, port: int) -> CliError:
    """Return the error that the child printed: a message and advice in two lines."""
    text = output.read_text(errors="replace")[-MAX_OUTPUT_CHARACTERS:].strip()
    message, _, advice = text.removeprefix("codex-shim: ").partition("\n")
    return CliError(
        f"the shim did not start: {message or 'it exited without output'}",
        advice or f"Run it in the foreground to see why: {command('serve', port)}",
    )


def _spawn(
    env: Mapping[str, str], port: int, settings: Path | None, output: Path, lifeline: int | None
) -> subprocess.Popen[bytes]:
    log = output.with_suffix(".log")
    argv = [sys.executable, "-P", "-m", "shim_cli", "serve", "--port", str(port)]
    argv += ["--log-file", str(log)]
    if settings:
        argv += ["--settings", str(settings.absolute())]
    if lifeline is not None:
        argv += ["--until-eof"]
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    descriptor = os.open(output, flags, 0o600)
    try:
        return subprocess.Popen(  # noqa: S603  our own interpreter, and no shell
            argv,
            cwd=output.parent,
            env=_absolute(env),
            stdin=subprocess.DEVNULL if lifeline is None else lifeline,
            stdout=descriptor,
            stderr=descriptor,
            **detached(),
        )
    finally:
        os.close(descriptor)


def _absolute(env: Mapping[str, str]) -> dict[str, str]:
    paths = {name: str(Path(env[name]).absolute()) for name in PATH_VARIABLES if env.get(name)}
    return {**env, **paths}


def stop_daemon(env: Mapping[str, str], port: int) -> str:
    """Stop the shim on this port. Return what was done; empty if none is running. Raises CliError."""
    state = read_state(env, port)
    if state and state.is_alive and (state.start_mark or _has_recorded_pid(state)):
        terminate(state.pid)
        _wait_for_exit(state)
        remove_state(env, port, state.pid)
        return f"stopped (pid {state.pid})"
    if state:
        remove_state(env, port, state.pid)
    health = probe(port)
    if health.state == "running":
        pid = health.report.get("pid")
        msg = f"the codex-shim at {health.url} (pid {pid}) was not started with this state folder, so it was not stopped"
        raise CliError(msg, f"Stop it where it was started, or: kill {pid}")
    return f"not running; removed the record of pid {state.pid}, which has exited" if state else ""


def kill_daemon(env: Mapping[str, str], port: int) -> str:
    """Kill the shim that is recorded for this port. Return what was done; empty if none is running. Raises CliError."""
    state = read_state(env, port)
    if not (state and state.start_mark and state.is_alive):
        return stop_daemon(env, port)
    kill(state.pid)
    _wait_for_exit(replace(state, drain_seconds=0.0))
    remove_state(env, port, state.pid)
    return f"killed (pid {state.pid})"


def _has_recorded_pid(state: RunState) -> bool:
    """Return whether the shim on the port has the recorded pid. Needed without a start mark: pids are reused."""
    return probe(state.port).report.get("pid") == state.pid


def _wait_for_exit(state: RunState) -> None:
    started_at = time.monotonic()
    limit = state.drain_seconds + STOP_TIMEOUT
    is_noticed = False
    while state.is_alive:
        waited = time.monotonic() - started_at
        if waited > limit:
            msg = f"codex-shim (pid {state.pid}) has not exited within {limit:g} s"
            raise CliError(msg, f"Kill it: kill -9 {state.pid}")
        if waited > NOTICE_SECONDS and not is_noticed:
            is_noticed = True
            typer.echo(f"waiting up to {state.drain_seconds:g} s for running turns…", err=True)
        time.sleep(POLL_SECONDS)
