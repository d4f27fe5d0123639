"""Section "Daemon": is a shim running on the port, and is it this version?"""

from __future__ import annotations

from collections.abc import Iterator

from addons.core.version import VERSION
from shim_cli.console.command_line import command
from shim_cli.console.format import model_count
from shim_cli.console.next_command import quoted_command
from shim_cli.doctor.finding import CheckResult, DoctorContext
from shim_cli.state.health import Health, probe
from shim_cli.state.run_state import read_state


def daemon(context: DoctorContext) -> Iterator[CheckResult]:
    """Check the port."""
    health = probe(context.port)
    if health.state == "stopped":
        yield "WARN", f"nothing listens at {health.url}", command("start", context.port)
    elif health.state == "unhealthy":
        yield "FAIL", f"{health.url}: {health.reason}", _remedy(context)
    else:
        yield from _running(health, context)


def _remedy(context: DoctorContext) -> str:
    state = read_state(context.env, context.port)
    if state and state.is_alive:
        return command("restart --force", context.port)
    return command("start", context.port + 1)


def _running(health: Health, context: DoctorContext) -> Iterator[CheckResult]:
    yield "OK", f"running at {health.url}, {model_count(health.models)}"
    version = health.report.get("version")
    if version == VERSION:
        yield "OK", f"version {VERSION}, the same as this command"
    else:
        running = f"version {version}" if isinstance(version, str) else "an older codex-shim"
        mismatch = f"{running} is running; this command is {VERSION}. Restart the shim"
        yield "WARN", mismatch, command("restart", context.port)
    problems = health.report.get("problems")
    for problem in problems if isinstance(problems, list) else []:
        advice = quoted_command(str(problem)) or command("status", context.port)
        yield "WARN", f"it reports: {problem}", advice
