"""The sections of `codex-shim doctor`, in the order in which a turn needs what they look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from shim_cli.doctor.catalog import catalog
from shim_cli.doctor.certificates import certificates
from shim_cli.doctor.chatgpt import chatgpt
from shim_cli.doctor.codex import codex
from shim_cli.doctor.cursor import cursor
from shim_cli.doctor.daemon import daemon
from shim_cli.doctor.environment import environment
from shim_cli.doctor.finding import Finding, Found, Subject
from shim_cli.doctor.packages import dependencies, python
from shim_cli.doctor.settings import settings
from shim_cli.doctor.wiring import wiring

Section = Callable[[Subject], Iterator[Found]]

SECTIONS: tuple[tuple[str, Section], ...] = (
    ("Python", python),
    ("Dependencies", dependencies),
    ("Codex CLI", codex),
    ("Settings", settings),
    ("ChatGPT passthrough", chatgpt),
    ("Cursor passthrough", cursor),
    ("Daemon", daemon),
    ("Catalog", catalog),
    ("Codex config", wiring),
    ("Environment", environment),
    ("Certificates", certificates),
)


def findings_of(subject: Subject) -> list[Finding]:
    """Look at everything."""
    return [Finding(name, *found) for name, section in SECTIONS for found in section(subject)]
