"""`codex-shim status`: the health of the shim on a port, as text or JSON.

Invariant: the exit code is 0 for running, 3 for stopped and 1 for anything else.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import typer

from addons.core.json_values import as_object, as_str
from addons.core.version import VERSION
from shim_cli.console.budgets import budget_pairs
from shim_cli.console.command_line import command
from shim_cli.console.format import duration
from shim_cli.console.quota import quota_pairs
from shim_cli.console.terminal import is_terminal
from shim_cli.state.health import Health, State, probe
from shim_cli.state.run_state import read_state

EXIT_CODES: Mapping[State, int] = {"running": 0, "stopped": 3, "unhealthy": 1}

# Key in /health → label.
_ROWS = (
    ("version", "version"),
    ("pid", "pid"),
    ("uptime_seconds", "uptime"),
    ("models", "models"),
    ("chatgpt_passthrough", "ChatGPT passthrough"),
    ("cursor_passthrough", "Cursor passthrough"),
)


@dataclass(frozen=True, slots=True)
class Described:
    """The health of a shim as text: a sentence, facts, and what to type."""

    head: str
    facts: Sequence[tuple[str, str]]
    advice: Sequence[str]


def write_status(env: Mapping[str, str], port: int, *, as_json: bool) -> int:
    """Write the health of the shim on the port. Return the exit code."""
    health = probe(port)
    if as_json:
        typer.echo(_json(health))
    else:
        _write(env, described(env, health, port))
    return EXIT_CODES[health.state]


def _json(health: Health) -> str:
    head = {"state": health.state, "url": health.url, "reason": health.reason}
    return json.dumps({**health.report, **head}, ensure_ascii=False)


def _write(env: Mapping[str, str], found: Described) -> None:
    typer.echo(found.head)
    if found.facts and is_terminal():
        from shim_cli.console.tables import terminal_console, write_pairs  # noqa: PLC0415

        write_pairs(terminal_console(env), found.facts)
    else:
        for name, value in found.facts:
            typer.echo(f"  {name:<20} {value}")
    typer.echo("\n".join(found.advice))


def described(env: Mapping[str, str], health: Health, port: int) -> Described:
    """Return the health as text."""
    if health.state == "stopped":
        advice = f"Start it: {command('start', port)}"
        return Described(f"stopped: nothing listens at {health.url}", (), [advice])
    if health.state == "unhealthy":
        head = f"unhealthy: {health.url}: {health.reason}"
        return Described(head, (), [unhealthy_advice(env, port)])
    report = health.report
    reasons = as_object(report.get("reasons"))
    facts = [
        (name, f"{_text(key, report[key])}{_reason(reasons, key)}")
        for key, name in _ROWS
        if key in report
    ]
    return Described(
        f"running at {health.url}",
        [
            *facts,
            *_unavailable(health),
            *quota_pairs(report.get("quota"), time.time()),
            *budget_pairs(report.get("budgets"), time.time()),
        ],
        [*_version_lines(report.get("version"), port), "List its models: codex-shim list"],
    )


def _unavailable(health: Health) -> list[tuple[str, str]]:
    return [("unavailable", text) for text in health.unavailable]


def unhealthy_advice(env: Mapping[str, str], port: int) -> str:
    """Return what to type when the port does not answer as a shim should."""
    state = read_state(env, port)
    if state and state.is_alive:
        return f"The shim (pid {state.pid}) hangs. End it: {command('restart --force', port)}"
    return f"Use another port: {command('start', port + 1)}"


def _version_lines(version: object, port: int) -> Iterator[str]:
    if version != VERSION:
        yield f"This command is version {VERSION}. Update the shim: {command('restart', port)}"


def _reason(reasons: Mapping[str, object], key: str) -> str:
    """Return why a login does not work: `: There is no ChatGPT login in auth.json. …`."""
    reason = as_str(reasons.get(key.removesuffix("_passthrough")))
    return f": {reason}" if reason else ""


def _text(key: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key == "uptime_seconds" and isinstance(value, int | float):
        return duration(value)
    return str(value)
