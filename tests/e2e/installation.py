"""Installs the real Codex from npm, and prepares it so that a start costs little.

The `codex` of the npm package starts Node, which sets a few variables and starts the real program. The tests start that
program with the same variables. A start then costs half: the program does not read the certificates of the system,
which it does not need on loopback, does not ask for the name of the system's release, and finds its databases made.

Never does: prepare anything inside the npm package. Invariant: `packaged_codex` is what a user starts.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

import certifi
import pytest

VERSION = "0.171.0"
PREVIOUS = "0.169.0"
OLDEST = "0.133.0"
"""The oldest supported client."""
CLOSED = "http://127.0.0.1:9"
PROXIES = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), CLOSED)
MAKES_DATABASES = ("exec", "resume", "--last", "nothing")
"""Fails before it makes a thread, because its folder is not trusted."""


def cache_dir() -> Path:
    """Return the folder of installed clients: $CODEX_SHIM_TEST_CACHE, else the user's cache folder."""
    named = os.environ.get("CODEX_SHIM_TEST_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    home_cache = Path(base) if base else Path.home() / ".cache"
    return home_cache / "codex-shim-tests"


@cache
def installed_codex(version: str = VERSION) -> Path:
    """Return a `codex` of a version that starts fast, installed on first use. Skip without npm; fail in CI."""
    packaged = packaged_codex(version)
    prefix = packaged.parents[2]
    natives = list(prefix.glob("node_modules/@openai/codex-*/vendor/*/bin/codex"))
    if os.name != "posix" or len(natives) != 1:
        return packaged
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    prepared = prefix / f"prepared-{recipe}"
    if not prepared.exists():
        with tempfile.TemporaryDirectory(dir=prefix) as staging:
            made = Path(staging) / "prepared"
            _prepare(made, prepared, packaged, natives[0])
            _move(made, prepared)
    return prepared / "codex"


def databases_of(codex: Path) -> list[Path]:
    """Return the databases of a user who has started this `codex` before. A packaged one has none."""
    return sorted((codex.parent / "home").glob("*.sqlite"))


def packaged_codex(version: str = VERSION) -> Path:
    """Return the `codex` of the npm package, installed on first use. Skip without npm; fail in CI."""
    prefix = cache_dir() / f"codex-{version}"
    binary = prefix / "node_modules" / ".bin" / "codex"
    if not binary.exists():
        _install(prefix, f"@openai/codex@{version}")
    return binary


def installed_package(name: str, version: str) -> Path:
    """Return the folder of an npm package, installed on first use. Skip without npm; fail in CI."""
    prefix = cache_dir() / f"{name}-{version}"
    folder = prefix / "node_modules" / name
    if not folder.exists():
        _install(prefix, f"{name}@{version}")
    return folder


def _install(prefix: Path, package: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        reason = f"npm is missing: the tests need it to install {package}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    prefix.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=prefix.parent) as staging:
        client = Path(staging) / "client"
        subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--prefix", str(client), package],
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=300,
        )
        _move(client, prefix)


def _move(made: Path, place: Path) -> None:
    try:
        made.rename(place)
    except OSError:
        # Another worker made it first; either copy works.
        if not place.exists():
            raise


def _prepare(made: Path, place: Path, packaged: Path, native: Path) -> None:
    """Make the launcher of the real program, for use at `place`, and the databases of its first start."""
    programs = made / "programs"
    programs.mkdir(parents=True)
    # asked in vain, Codex reads /etc/os-release; the answer takes a dozen processes
    (programs / "lsb_release").symlink_to(shutil.which("false") or "/bin/false")
    certificate, end, _ = certifi.contents().partition("-----END CERTIFICATE-----\n")
    (made / "authority.pem").write_text(certificate + end)
    package = packaged.resolve().parents[1]
    variables = {
        "CODEX_MANAGED_BY_NPM": "1",
        "CODEX_MANAGED_PACKAGE_ROOT": str(package),
        "SSL_CERT_FILE": str(place / "authority.pem"),
    }
    exports = (f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
    launcher = made / "codex"
    launcher.write_text(
        f"#!/bin/sh\n{''.join(exports)}"
        f'export PATH={shlex.quote(str(place / "programs"))}:"$PATH"\n'
        f'exec {shlex.quote(str(native))} "$@"\n'
    )
    launcher.chmod(0o755)
    _make_databases(native, made / "home")


def _make_databases(native: Path, home: Path) -> None:
    home.mkdir()
    with tempfile.TemporaryDirectory() as elsewhere:
        env = {"HOME": elsewhere, "CODEX_HOME": str(home), "PATH": os.defpath, **PROXIES}
        subprocess.run(
            [native, *MAKES_DATABASES],
            cwd=elsewhere,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
    for database in home.glob("*.sqlite"):
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for path in home.iterdir():
        if path.suffix != ".sqlite":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
