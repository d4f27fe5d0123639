"""`codex-shim status`: one look at the port, told in words or JSON.

Invariant: the exit code is 0 for running, 3 for stopped and 1 for anything else.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

import typer

from shim_cli.defaults import serve_command
from shim_cli.durations import duration
from shim_cli.health import Health, State, probe
from shim_cli.quota import quota_lines

EXIT_CODES: Mapping[State, int] = {"running": 0, "stopped": 3, "unhealthy": 1}


# key in /health → how the line is called.
_ROWS = (
    ("version", "version"),
    ("pid", "pid"),
    ("uptime_seconds", "uptime"),
    ("models", "models"),
    ("chatgpt_passthrough", "ChatGPT passthrough"),
    ("cursor_passthrough", "Cursor passthrough"),
)


def write_status(port: int, *, as_json: bool) -> int:
    """Write what answers on the port. Gives the exit code."""
    health = probe(port)
    typer.echo(_json(health) if as_json else "\n".join(_lines(health, port)))
    return EXIT_CODES[health.state]


def _json(health: Health) -> str:
    head = {"state": health.state, "url": health.url, "reason": health.reason}
    return json.dumps({**health.report, **head}, ensure_ascii=False)


def _lines(health: Health, port: int) -> list[str]:
    if health.state == "stopped":
        return [f"stopped: nothing listens at {health.url}", f"Start it: {serve_command(port)}"]
    if health.state == "unhealthy":
        return [
            f"unhealthy: {health.url}: {health.reason}",
            f"Take another port: {serve_command(port + 1)}",
        ]
    report = health.report
    rows = [f"  {name:<20} {_plain(key, report[key])}" for key, name in _ROWS if key in report]
    quota = quota_lines(report.get("quota"), time.time())
    return [f"running at {health.url}", *rows, *quota, "See its models: codex-shim list"]


def _plain(key: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key == "uptime_seconds" and isinstance(value, int | float):
        return duration(value)
    return str(value)
