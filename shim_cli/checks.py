"""What `codex-shim doctor` looks at: one function per section, each gives findings.

Never does: write, ask an upstream, raise for anything that it may find. Invariant: what is only a matter of choice is
INFO, what narrows the choice of models is WARN, what keeps turns from working is FAIL.
"""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import orjson

from addons.core.catalog import problems_of
from addons.core.endpoints import Rules
from addons.core.login import Login, LoginKind
from addons.core.models_file import parse_models
from addons.core.providers.chatgpt import (
    BASE_URL_VARIABLE,
    DEFAULT_BASE_URL,
    parse_base_url,
)
from addons.core.settings import parse_settings
from addons.origins.codex_cli import CodexCli, CodexCliError
from addons.origins.files import CachedFile, FileAccessError
from addons.origins.login_file import login_path
from addons.origins.paths import catalog_file, settings_file
from addons.origins.sources import account_logins, own_ports
from shim_cli.defaults import models, serve_command
from shim_cli.health import probe
from shim_cli.row_checks import row_findings
from shim_cli.status import duration

Level = Literal["OK", "WARN", "FAIL", "INFO"]

MITMPROXY_FROM, MITMPROXY_BELOW = (12, 2), (13,)
DEPENDENCIES = ("httpx", "orjson", "platformdirs", "pydantic", "tomlkit", "typer", "zstandard")
INSTALL_AGAIN = "uv tool install --force codex-shim"
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `advice` is what to type."""

    section: str
    level: Level
    message: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class _Subject:
    env: Mapping[str, str]
    port: int
    settings: Path | None


Found = tuple[Level, str] | tuple[Level, str, str]


def findings_of(env: Mapping[str, str], port: int, settings: Path | None) -> list[Finding]:
    """Look at everything, in the order in which a turn needs it."""
    subject = _Subject(env, port, settings)
    return [Finding(name, *found) for name, check in _SECTIONS for found in check(subject)]


def _python(_subject: _Subject) -> Iterator[Found]:
    # A Python that is too old does not get here: the package does not install on it.
    yield "OK", f"Python {platform.python_version()} at {sys.executable}"


def _dependencies(_subject: _Subject) -> Iterator[Found]:
    yield _mitmproxy(_version_of("mitmproxy"))
    for package in DEPENDENCIES:
        installed = _version_of(package)
        if installed:
            yield "OK", f"{package} {installed}"
        else:
            yield "FAIL", f"{package} is not installed", INSTALL_AGAIN


def _version_of(package: str) -> str:
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


def _codex(subject: _Subject) -> Iterator[Found]:
    codex = CodexCli.find(subject.env)
    if not codex:
        yield "WARN", "Codex is not on PATH, nor named by CODEX_BIN", "npm install -g @openai/codex"
        return
    try:
        yield "OK", f"Codex {codex.version()} at {codex.binary}"
    except CodexCliError as error:
        yield "WARN", str(error), "npm install -g @openai/codex"


def _chatgpt(subject: _Subject) -> Iterator[Found]:
    try:
        base = parse_base_url(subject.env.get(BASE_URL_VARIABLE) or DEFAULT_BASE_URL)
    except ValueError as error:
        yield "FAIL", str(error), f"Correct {BASE_URL_VARIABLE} or unset it"
        return
    found = account_logins(subject.env, base.origin).current()
    if isinstance(found, Login):
        account = f", account …{found.account_hint}" if found.account_hint else ""
        yield "OK", f"logged in: {login_path(subject.env)}"
        yield "INFO", f"plan {found.plan_type or 'unknown'}{account}, {_expiry(found, time.time())}"
    else:
        yield "INFO" if found.kind is LoginKind.DISABLED else "WARN", found.message


def _expiry(login: Login, now: float) -> str:
    if login.expires_at is None:
        return "the token does not say when it expires"
    return f"the token expires in {duration(login.expires_at - now)}"


def _settings(subject: _Subject) -> Iterator[Found]:
    path = settings_file(subject.env, subject.settings)
    try:
        data = CachedFile(path).read()
    except FileAccessError as error:
        yield "FAIL", str(error), f"ls -l {path}"
        return
    if data is None:
        missing = f"{path} does not exist"
        yield (
            ("FAIL", missing, "Name a file that exists: --settings PATH")
            if subject.settings
            else ("INFO", f"{missing}: no models of your own")
        )
        return
    rows = parse_models(data, str(path), Rules(own_ports=own_ports(subject.env)))
    problems = (*parse_settings(data, str(path), subject.env).problems, *rows.problems)
    for problem in problems:
        yield "FAIL", problem, f"Correct it: ${{EDITOR:-vi}} {path}"
    if not problems:
        yield "OK", f"{path}"
    yield from row_findings(rows, path, subject.env)


def _daemon(subject: _Subject) -> Iterator[Found]:
    health = probe(subject.port)
    if health.state == "running":
        yield "OK", f"running at {health.url}, {models(health.models)}"
    elif health.state == "stopped":
        yield "WARN", f"nothing listens at {health.url}", serve_command(subject.port)
    else:
        yield (
            "FAIL",
            f"{health.url}: {health.reason}",
            serve_command(subject.port + 1),
        )


def _catalog(subject: _Subject) -> Iterator[Found]:
    path = catalog_file(subject.env)
    again = "codex-shim generate"
    try:
        data = CachedFile(path).read()
        catalog = None if data is None else orjson.loads(data)
    except FileAccessError as error:
        yield "FAIL", str(error), again
        return
    except orjson.JSONDecodeError:
        yield "FAIL", f"{path} is not JSON: Codex would not start with it", again
        return
    if catalog is None:
        yield "WARN", f"{path} does not exist yet", again
        return
    problems = problems_of(catalog)
    for problem in problems:
        yield "FAIL", f"{path}: {problem}: Codex would not start with it", again
    if not problems:
        yield "OK", f"{path}, {models(len(catalog['models']))}"


def _environment(subject: _Subject) -> Iterator[Found]:
    env = subject.env
    proxies = [name for name in _PROXIES if env.get(name)]
    if not proxies:
        yield "OK", "no proxy variable is set"
        return
    names = ", ".join(proxies)
    if _reaches_loopback(env.get("NO_PROXY") or env.get("no_proxy") or ""):
        yield "OK", f"{names} set, and NO_PROXY leaves out {LOOPBACK}"
        return
    advice = f'export NO_PROXY="${{NO_PROXY:+$NO_PROXY,}}{LOOPBACK},localhost,::1"'
    yield (
        "FAIL",
        f"{names} set without {LOOPBACK} in NO_PROXY: Codex would not reach the shim",
        advice,
    )


_PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


def _reaches_loopback(no_proxy: str) -> bool:
    entries = {entry.strip() for entry in no_proxy.split(",")}
    return not entries.isdisjoint({"*", LOOPBACK, "127.0.0.0/8"})


_SECTIONS: tuple[tuple[str, Callable[[_Subject], Iterator[Found]]], ...] = (
    ("Python", _python),
    ("Dependencies", _dependencies),
    ("Codex CLI", _codex),
    ("ChatGPT passthrough", _chatgpt),
    ("Settings", _settings),
    ("Daemon", _daemon),
    ("Catalog", _catalog),
    ("Environment", _environment),
)
