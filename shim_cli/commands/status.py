"""`codex-shim status`: the health of the shim on a port, as text or JSON.

Invariant: the exit code is 0 for running, 3 for stopped and 1 for anything else.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

import typer

from shim_cli.console.command_line import command
from shim_cli.console.format import duration
from shim_cli.console.quota import quota_lines
from shim_cli.state.health import Health, State, probe

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


def write_status(port: int, *, as_json: bool) -> int:
    """Write the health of the shim on the port. Return the exit code."""
    health = probe(port)
    typer.echo(_json(health) if as_json else "\n".join(_lines(health, port)))
    return EXIT_CODES[health.state]


def _json(health: Health) -> str:
    head = {"state": health.state, "url": health.url, "reason": health.reason}
    return json.dumps({**health.report, **head}, ensure_ascii=False)


def _lines(health: Health, port: int) -> list[str]:
    if health.state == "stopped":
        return [f"stopped: nothing listens at {health.url}", f"Start it: {command('serve', port)}"]
    if health.state == "unhealthy":
        return [
            f"unhealthy: {health.url}: {health.reason}",
            f"Use another port: {command('serve', port + 1)}",
        ]
    report = health.report
    rows = [f"  {name:<20} {_text(key, report[key])}" for key, name in _ROWS if key in report]
    quota = quota_lines(report.get("quota"), time.time())
    return [f"running at {health.url}", *rows, *quota, "List its models: codex-shim list"]


def _text(key: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key == "uptime_seconds" and isinstance(value, int | float):
        return duration(value)
    return str(value)
