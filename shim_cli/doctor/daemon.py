"""Section "Daemon": is a shim running on the port, and is it this version?"""

from __future__ import annotations

from collections.abc import Iterator

from addons.core.version import VERSION
from shim_cli.console.command_line import command
from shim_cli.console.format import model_count
from shim_cli.doctor.finding import CheckResult, DoctorContext
from shim_cli.state.health import Health, probe


def daemon(context: DoctorContext) -> Iterator[CheckResult]:
    """Check the port."""
    health = probe(context.port)
    if health.state == "stopped":
        yield "WARN", f"nothing listens at {health.url}", command("serve", context.port)
    elif health.state == "unhealthy":
        yield "FAIL", f"{health.url}: {health.reason}", command("serve", context.port + 1)
    else:
        yield from _running(health, context)


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
        yield "WARN", f"it reports: {problem}", "codex-shim status"
