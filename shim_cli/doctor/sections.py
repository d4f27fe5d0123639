"""The sections of `codex-shim doctor`, in the order in which a turn depends on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from shim_cli.doctor.catalog import catalog
from shim_cli.doctor.certificates import certificates
from shim_cli.doctor.chatgpt import chatgpt
from shim_cli.doctor.codex import codex
from shim_cli.doctor.codex_config import codex_config
from shim_cli.doctor.cursor import cursor
from shim_cli.doctor.daemon import daemon
from shim_cli.doctor.environment import environment
from shim_cli.doctor.features import codex_features
from shim_cli.doctor.finding import CheckResult, DoctorContext, Finding
from shim_cli.doctor.packages import dependencies, python
from shim_cli.doctor.settings import settings

Section = Callable[[DoctorContext], Iterator[CheckResult]]

SECTIONS: tuple[tuple[str, Section], ...] = (
    ("Python", python),
    ("Dependencies", dependencies),
    ("Codex CLI", codex),
    ("Settings", settings),
    ("ChatGPT passthrough", chatgpt),
    ("Cursor passthrough", cursor),
    ("Daemon", daemon),
    ("Catalog", catalog),
    ("Codex config", codex_config),
    ("Codex features", codex_features),
    ("Environment", environment),
    ("Certificates", certificates),
)


def run_sections(context: DoctorContext) -> list[Finding]:
    """Run all sections."""
    return [Finding(name, *found) for name, section in SECTIONS for found in section(context)]
