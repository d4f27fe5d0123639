"""`codex-shim service install|remove`: the file that lets the user's own service manager run the shim, and how to use it.

Never does: talk to the service manager, write a secret into the file. Invariant: what the file starts is this very
installation, whatever the folder's name holds.
"""

from __future__ import annotations

import plistlib
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from addons.origins.files import FileAccessError, write_atomic
from addons.origins.paths import home
from shim_cli.errors import CliError
from shim_cli.run_state import run_dir

LABEL = "codex-shim"
KEPT = ("CODEX_HOME", "CODEX_SHIM_CA_FILE", "CODEX_SHIM_SETTINGS", "CODEX_SHIM_STATE_DIR")


@dataclass(frozen=True, slots=True)
class Service:
    """One file for one service manager, and the commands that take it in and out of use."""

    path: Path
    content: bytes
    to_start: str
    to_stop: str


def install(env: Mapping[str, str], port: int, platform: str = sys.platform) -> int:
    """Write the file and say what to type. Raises CliError."""
    service = service_of(env, port, platform)
    try:
        write_atomic(service.path, service.content)
        run_dir(env).mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileAccessError as error:
        raise CliError(str(error), "Check the folder and its permissions.") from error
    lines = [
        f"Wrote {service.path}. Start it, now and at each login:",
        f"  {service.to_start}",
        "It does not know the variables of your shell: put keys into files, with api_key_file in models.json.",
    ]
    typer.echo("\n".join(lines))
    return 0


def remove(env: Mapping[str, str], port: int, platform: str = sys.platform) -> int:
    """Remove the file and say how to end what it started. Raises CliError."""
    service = service_of(env, port, platform)
    if not service.path.exists():
        typer.echo(f"{service.path} does not exist: there is nothing to remove.")
        return 0
    service.path.unlink()
    typer.echo(f"Removed {service.path}. If it still runs:\n  {service.to_stop}")
    return 0


def service_of(env: Mapping[str, str], port: int, platform: str) -> Service:
    """The service of this platform. Raises CliError where there is none."""
    words = [sys.executable, "-P", "-m", "shim_cli", "serve", "--port", str(port)]
    kept = {name: str(Path(env[name]).absolute()) for name in KEPT if env.get(name)}
    if platform == "linux":
        return _systemd(env, words, kept)
    if platform == "darwin":
        return _launchd(env, words, kept, run_dir(env) / f"{port}.log")
    msg = "there is no user service for this system here"
    raise CliError(msg, "Let the Task Scheduler run at logon: codex-shim start")


def _systemd(env: Mapping[str, str], words: Sequence[str], kept: Mapping[str, str]) -> Service:
    base = Path(env["XDG_CONFIG_HOME"]) if env.get("XDG_CONFIG_HOME") else home(env) / ".config"
    lines = [
        "[Unit]",
        "Description=codex-shim, one local port for Codex",
        "",
        "[Service]",
        f"ExecStart={' '.join(systemd_word(word).replace('$', '$$') for word in words)}",
        *(f"Environment={systemd_word(f'{name}={value}')}" for name, value in kept.items()),
        "Restart=on-failure",
        "UMask=0077",
        "",
        "[Install]",
        "WantedBy=default.target",
        "",
    ]
    unit = f"{LABEL}.service"
    return Service(
        base / "systemd" / "user" / unit,
        "\n".join(lines).encode(),
        f"systemctl --user daemon-reload && systemctl --user enable --now {unit}",
        f"systemctl --user disable --now {unit}; systemctl --user daemon-reload",
    )


def systemd_word(text: str) -> str:
    """One word of a unit file, quoted (systemd.syntax(7)). A command line has variables besides."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _launchd(
    env: Mapping[str, str], words: Sequence[str], kept: Mapping[str, str], log: Path
) -> Service:
    path = home(env) / "Library" / "LaunchAgents" / f"{LABEL}.plist"
    content = plistlib.dumps(
        {
            "Label": LABEL,
            "ProgramArguments": list(words),
            "EnvironmentVariables": dict(kept),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "Umask": 0o077,
            "StandardErrorPath": str(log),
        }
    )
    return Service(
        path,
        content,
        f"launchctl bootstrap gui/$(id -u) {shlex.quote(str(path))}",
        f"launchctl bootout gui/$(id -u)/{LABEL}",
    )
