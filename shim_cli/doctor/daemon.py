"""The running shim: is there one on the port, is it this version, and is it well?"""

from __future__ import annotations

from collections.abc import Iterator

from addons.version import VERSION
from shim_cli.defaults import models, serve_command
from shim_cli.doctor.finding import Found, Subject
from shim_cli.health import Health, probe


def daemon(subject: Subject) -> Iterator[Found]:
    """Ask the port."""
    health = probe(subject.port)
    if health.state == "stopped":
        yield "WARN", f"nothing listens at {health.url}", serve_command(subject.port)
    elif health.state == "unhealthy":
        yield "FAIL", f"{health.url}: {health.reason}", serve_command(subject.port + 1)
    else:
        yield from _running(health, subject)


def _running(health: Health, subject: Subject) -> Iterator[Found]:
    yield "OK", f"running at {health.url}, {models(health.models)}"
    version = health.report.get("version")
    if version == VERSION:
        yield "OK", f"version {VERSION}, the same as this command"
    else:
        what = f"version {version}" if isinstance(version, str) else "an older codex-shim"
        again = f"{what} runs, and this command is {VERSION}: stop it, then start it again"
        yield "WARN", again, serve_command(subject.port)
    problems = health.report.get("problems")
    for problem in problems if isinstance(problems, list) else []:
        yield "WARN", f"it says: {problem}", "codex-shim status"
