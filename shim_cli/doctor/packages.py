"""Python and the packages that we run on."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from shim_cli.doctor.finding import Found, Subject

MITMPROXY_FROM, MITMPROXY_BELOW = (12, 2), (13,)
PACKAGES = ("httpx", "orjson", "platformdirs", "pydantic", "tomlkit", "typer", "zstandard")
INSTALL_AGAIN = "uv tool install --force codex-shim"


def python(_subject: Subject) -> Iterator[Found]:
    """The interpreter. One that is too old does not get here: the package does not install on it."""
    yield "OK", f"Python {platform.python_version()} at {sys.executable}"


def dependencies(_subject: Subject) -> Iterator[Found]:
    """Every package of ours, with its version."""
    yield _mitmproxy(version_of("mitmproxy"))
    for package in PACKAGES:
        installed = version_of(package)
        if installed:
            yield "OK", f"{package} {installed}"
        else:
            yield "FAIL", f"{package} is not installed", INSTALL_AGAIN


def version_of(package: str) -> str:
    """The installed version; empty when there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _mitmproxy(installed: str) -> Found:
    numbers = tuple(int(part) for part in installed.split(".") if part.isdecimal())
    if not installed:
        return "FAIL", "mitmproxy is not installed", INSTALL_AGAIN
    if MITMPROXY_FROM <= numbers < MITMPROXY_BELOW:
        return "OK", f"mitmproxy {installed}"
    return "FAIL", f"mitmproxy {installed} is not supported: 12.2 up to 13 is", INSTALL_AGAIN
