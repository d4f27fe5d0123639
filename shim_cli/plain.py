"""The usual command lines of `list` and `serve`, run without the libraries that parse any other one.

`list` is run by scripts and prompts, and these libraries take longer to import than all of it. `start` runs `serve`, a
process that lives for weeks and would keep 3 MiB of them.

Never does: write a message about arguments. Invariant: what is run here does what the command line would do, which gets
everything that this module does not know.
"""
# ruff: noqa: PLC0415 - a command's module is imported when the command is run

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from shim_cli.console.command_line import DEFAULT_PORT, LOOPBACK

COMPLETION = "_CODEX_SHIM_COMPLETE"
"""The variable with which a shell asks for completions."""
MAX_PORT = 65535
_MAX_DIGITS = 5
_SERVE_OPTIONS = ("--port", "--settings", "--log-file", "--until-eof")
Command = Callable[[], int]


def plain_command(arguments: Sequence[str], env: Mapping[str, str]) -> Command | None:
    """Return the command, which returns its exit code; None if the command line is needed."""
    found = _command(arguments, env)
    if found is None or COMPLETION in env:
        return None
    from addons.adapters.system.paths import NoHomeError, has_old_state

    try:
        return None if has_old_state(env) else found
    except (NoHomeError, OSError):
        # the command line says so: there is no home, or a path is relative to a folder that is gone
        return None


def _command(arguments: Sequence[str], env: Mapping[str, str]) -> Command | None:
    match arguments:
        case ["list", *flags] if set(flags) <= {"--all", "--json"}:
            return lambda: _list(env, flags)
        case ["serve", *options]:
            return _serve_command(options, env)
        case _:
            return None


def _list(env: Mapping[str, str], flags: Sequence[str]) -> int:
    from shim_cli.commands.list import write_list

    return write_list(env, None, show_all="--all" in flags, as_json="--json" in flags)


def _serve_command(options: Sequence[str], env: Mapping[str, str]) -> Command | None:
    """Return what runs `serve` with the options that `start` passes to it."""
    values: dict[str, str] = {}
    rest = iter(options)
    for name in rest:
        value = "yes" if name == "--until-eof" else next(rest, "")
        if name not in _SERVE_OPTIONS or name in values or value.startswith("-") or not value:
            return None
        values[name] = value
    port = values.get("--port") or env.get("CODEX_SHIM_PORT") or str(DEFAULT_PORT)
    is_short_number = port.isascii() and port.isdigit() and len(port) <= _MAX_DIGITS
    if not is_short_number or int(port) > MAX_PORT:
        return None
    settings, log_file = (values.get(name) for name in ("--settings", "--log-file"))
    return lambda: _serve(
        int(port),
        Path(settings) if settings else None,
        Path(log_file) if log_file else None,
        until_eof="--until-eof" in values,
    )


def _serve(port: int, settings: Path | None, log_file: Path | None, *, until_eof: bool) -> int:
    from shim_cli.commands.serve import end_at_eof, serve

    if until_eof:
        end_at_eof()
    return serve(LOOPBACK, port, settings, log_file, allow_remote=False)
