"""`codex-shim start`, `stop` and `restart`: the same `serve`, detached, waited for until it answers, ended in peace.

Never does: end a process that is not the one on record, leave a start's failure for the log alone. Invariant: after
`start` the shim answers; after `stop` the process is gone, its turns were given their time.
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

from addons.origins.file_lock import LockedError, locked
from addons.origins.files import FileAccessError
from addons.origins.local_token import ensure_token, read_token
from addons.origins.paths import state_dir
from addons.version import VERSION
from shim_cli.defaults import DEFAULT_PORT
from shim_cli.errors import CliError
from shim_cli.health import Health, admits, probe
from shim_cli.processes import detached, is_another_users, terminate, who_listens
from shim_cli.run_state import RunState, read_state, remove_state, run_dir

START_SECONDS = 30.0
STOP_SECONDS = 10.0
"""Beyond the time that turns are given."""
SLOW_SECONDS = 10.0
LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 1.0
SHOWN_CHARACTERS = 2000
PATHS = ("CODEX_HOME", "CODEX_SHIM_CA_FILE", "CODEX_SHIM_SETTINGS", "CODEX_SHIM_STATE_DIR")
"""Variables that name a path, from the folder where the user is and the daemon is not."""


@dataclass(frozen=True, slots=True)
class Started:
    """The shim that answers now."""

    url: str
    pid: int
    was_running: bool
    log: str = ""
    version: str = ""


def start(env: Mapping[str, str], port: int, settings: Path | None) -> int:
    """Start it, or say that it runs. Raises CliError."""
    started = ensure_started(env, port, settings)
    word = "already running" if started.was_running else "running"
    lines = [f"{word} at {started.url} (pid {started.pid})"]
    if started.log:
        lines.append(f"  log   {started.log}")
    if started.version != VERSION:
        lines.append(
            f"It is version {started.version}, and this is {VERSION}: {command('restart', port)}"
        )
    lines.append(f"Stop it: {command('stop', port)}")
    typer.echo("\n".join(lines))
    return 0


def stop(env: Mapping[str, str], port: int) -> int:
    """End it and wait until it has ended; gives 0 also when none runs. Raises CliError."""
    typer.echo(end(env, port) or f"not running: nothing of codex-shim listens on port {port}")
    return 0


def restart(env: Mapping[str, str], port: int, settings: Path | None) -> int:
    """End it if it runs, and start it. Raises CliError."""
    if told := end(env, port):
        typer.echo(told)
    return start(env, port, settings)


def command(name: str, port: int) -> str:
    """A command line for this port."""
    return f"codex-shim {name}" + ("" if port == DEFAULT_PORT else f" --port {port}")


def ensure_started(env: Mapping[str, str], port: int, settings: Path | None) -> Started:
    """Give the shim on this port; start it if none runs. Raises CliError."""
    if settings and not settings.is_file():
        msg = f"{settings} does not exist or is not a file"
        raise CliError(msg, "Name an existing models.json: --settings PATH")
    folder = run_dir(env)
    try:
        ensure_token(env)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(folder / f".{port}.lock", START_SECONDS):
            return _running(env, port) or _start(env, port, settings)
    except LockedError as error:
        raise CliError(str(error), f"See what it does: {command('status', port)}") from None
    except FileAccessError as error:
        advice = "Set CODEX_SHIM_STATE_DIR to a folder of yours."
        raise CliError(str(error), advice) from error


def _running(env: Mapping[str, str], port: int) -> Started | None:
    health = _health(env, port)
    if health.state == "stopped":
        return None
    if health.state == "running" and not is_another_users(port):
        _require_known_token(env, port, health)
        return _started(env, port, health, was_running=True)
    if health.state == "running":
        health = replace(health, reason="it is another user's, who would see what you send")
    holder = who_listens(port)
    by = f" by {holder}" if holder else ""
    msg = f"port {port} is taken{by}: {health.reason}"
    raise CliError(msg, f"Take another port: {command('start', port + 1)}")


def _require_known_token(env: Mapping[str, str], port: int, health: Health) -> None:
    """A shim with another state folder has another token: what this one gave to Codex would be refused there."""
    if not admits(health.url, read_token(env)):
        msg = f"the codex-shim at {health.url} has another state folder, and refuses the token of {state_dir(env)}"
        advice = f"Name that folder (CODEX_SHIM_STATE_DIR), or take another port: {command('start', port + 1)}"
        raise CliError(msg, advice)


def _health(env: Mapping[str, str], port: int) -> Health:
    """What answers; with time for a shim of ours that is slow on a loaded machine."""
    deadline = time.monotonic() + SLOW_SECONDS
    while True:
        health = probe(port)
        state = read_state(env, port)
        is_ours = state is not None and state.is_alive
        if health.state != "unhealthy" or not is_ours or time.monotonic() > deadline:
            return health
        time.sleep(LOOK_SECONDS)


def _started(env: Mapping[str, str], port: int, health: Health, *, was_running: bool) -> Started:
    state = read_state(env, port)
    pid = health.report.get("pid")
    pid = pid if isinstance(pid, int) else 0
    log = state.log if state and state.pid == pid else ""
    return Started(health.url, pid, was_running, log, str(health.report.get("version", "")))


def _start(env: Mapping[str, str], port: int, settings: Path | None) -> Started:
    said = run_dir(env) / f"{port}.out"
    child = _spawn(env, port, settings, said)
    deadline = time.monotonic() + START_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        health = probe(port)
        if health.state == "running" and _is_on_record(env, port, health):
            return _started(env, port, health, was_running=False)
        time.sleep(LOOK_SECONDS)
    if child.poll() is None:
        child.terminate()
        msg = f"codex-shim did not answer on port {port} within {START_SECONDS:g} s"
        raise CliError(msg, f"See what it says: {command('serve', port)}")
    raise _failed(said, port)


def _is_on_record(env: Mapping[str, str], port: int, health: Health) -> bool:
    """Whether it is ours: on Windows the child may be a launcher of Python, whose number is another one."""
    state = read_state(env, port)
    return state is not None and state.pid == health.report.get("pid")


def _failed(said: Path, port: int) -> CliError:
    """The child's own words: it tells a user what is wrong, and what to do, in two lines."""
    text = said.read_text(errors="replace")[-SHOWN_CHARACTERS:].strip()
    message, _, advice = text.removeprefix("codex-shim: ").partition("\n")
    return CliError(
        f"it did not start: {message or 'it ended without a word'}",
        advice or f"See what it says: {command('serve', port)}",
    )


def _spawn(
    env: Mapping[str, str], port: int, settings: Path | None, said: Path
) -> subprocess.Popen[bytes]:
    log = said.with_suffix(".log")
    words = [sys.executable, "-P", "-m", "shim_cli", "serve", "--port", str(port)]
    words += ["--log-file", str(log)]
    if settings:
        words += ["--settings", str(settings.absolute())]
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    output = os.open(said, flags, 0o600)
    try:
        return subprocess.Popen(  # noqa: S603  our own interpreter, and no shell
            words,
            cwd=said.parent,
            env=_absolute(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            **detached(),
        )
    finally:
        os.close(output)


def _absolute(env: Mapping[str, str]) -> dict[str, str]:
    paths = {name: str(Path(env[name]).absolute()) for name in PATHS if env.get(name)}
    return {**env, **paths}


def end(env: Mapping[str, str], port: int) -> str:
    """End the shim on this port. Gives what was done, empty when none runs. Raises CliError."""
    state = read_state(env, port)
    if state and state.is_alive and (state.start_mark or _answers(state)):
        terminate(state.pid)
        _wait_for(state)
        remove_state(env, port, state.pid)
        return f"stopped (pid {state.pid})"
    if state:
        remove_state(env, port, state.pid)
    health = probe(port)
    if health.state == "running":
        pid = health.report.get("pid")
        msg = f"the codex-shim at {health.url} (pid {pid}) is not on record here, so it was left"
        raise CliError(msg, f"End it where it was started, or: kill {pid}")
    return f"not running; removed the record of pid {state.pid}, which has ended" if state else ""


def _answers(state: RunState) -> bool:
    """Whether it is still that process, where only the shim itself can tell: numbers are given out again."""
    return probe(state.port).report.get("pid") == state.pid


def _wait_for(state: RunState) -> None:
    begun = time.monotonic()
    limit = state.drain_seconds + STOP_SECONDS
    told = False
    while state.is_alive:
        waited = time.monotonic() - begun
        if waited > limit:
            msg = f"codex-shim (pid {state.pid}) has not ended within {limit:g} s"
            raise CliError(msg, f"End it by force: kill -9 {state.pid}")
        if waited > PATIENCE_SECONDS and not told:
            told = True
            typer.echo(f"its turns have up to {state.drain_seconds:g} s to end…", err=True)
        time.sleep(LOOK_SECONDS)
