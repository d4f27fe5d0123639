"""Sections "Python" and "Dependencies"."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from addons.adapters.system.packages import install_command
from shim_cli.doctor.finding import CheckResult, DoctorContext

MITMPROXY_FROM, MITMPROXY_BELOW = (12, 2), (12, 4)
PACKAGES = ("httpx", "orjson", "pydantic", "tomlkit", "typer", "zstandard")
MITMPROXY = "mitmproxy>=12.2,<12.4"


def python(_subject: DoctorContext) -> Iterator[CheckResult]:
    """Report the interpreter. The package does not install on one that is too old."""
    yield "OK", f"Python {platform.python_version()} at {sys.executable}"


def dependencies(_subject: DoctorContext) -> Iterator[CheckResult]:
    """Check the version of every dependency."""
    yield _mitmproxy(installed_version("mitmproxy"))
    for package in PACKAGES:
        installed = installed_version(package)
        if installed:
            yield "OK", f"{package} {installed}"
        else:
            yield "FAIL", f"{package} is not installed", install_command(package)


def installed_version(package: str) -> str:
    """Return the installed version of a package; empty if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _mitmproxy(installed: str) -> CheckResult:
    numbers = tuple(int(part) for part in installed.split(".") if part.isdecimal())
    if not installed:
        return "FAIL", "mitmproxy is not installed", install_command(MITMPROXY)
    if MITMPROXY_FROM <= numbers < MITMPROXY_BELOW:
        return "OK", f"mitmproxy {installed}"
    return (
        "FAIL",
        f"mitmproxy {installed} is not supported; 12.2 and 12.3 are",
        install_command(MITMPROXY),
    )
