"""`codex-shim service install|remove`: the service file for systemd or launchd.

Never does: run the service manager, write a secret into the file. Invariant: the file starts this installation,
whatever characters its path contains.
"""

from __future__ import annotations

import plistlib
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from addons.adapters.system.files import FileAccessError, write_atomic
from addons.adapters.system.paths import home
from shim_cli.console.errors import CliError
from shim_cli.state.daemon import PATH_VARIABLES
from shim_cli.state.run_state import run_dir

LABEL = "codex-shim"


@dataclass(frozen=True, slots=True)
class Service:
    """The service file of one service manager, and the commands that start and stop the service."""

    path: Path
    content: bytes
    start_command: str
    stop_command: str


def install(env: Mapping[str, str], port: int, platform: str = sys.platform) -> int:
    """Write the service file and print the command that starts it. Raises CliError."""
    service = service_for(env, port, platform)
    try:
        write_atomic(service.path, service.content)
        run_dir(env).mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileAccessError as error:
        raise CliError(str(error), "Check the folder and its permissions.") from error
    lines = [
        f"Wrote {service.path}. Start the service now and at each login:",
        f"  {service.start_command}",
        "The service does not see the variables of your shell. Store keys in files and set api_key_file in models.json.",
    ]
    typer.echo("\n".join(lines))
    return 0


def remove(env: Mapping[str, str], port: int, platform: str = sys.platform) -> int:
    """Remove the service file and print the command that stops the service. Raises CliError."""
    service = service_for(env, port, platform)
    if not service.path.exists():
        typer.echo(f"{service.path} does not exist: nothing to remove.")
        return 0
    service.path.unlink()
    typer.echo(
        f"Removed {service.path}. If the service is still running, stop it:\n  {service.stop_command}"
    )
    return 0


def service_for(env: Mapping[str, str], port: int, platform: str) -> Service:
    """Return the service of a platform. Raises CliError if the platform is not supported."""
    argv = [sys.executable, "-P", "-m", "shim_cli", "serve", "--port", str(port)]
    variables = {name: str(Path(env[name]).absolute()) for name in PATH_VARIABLES if env.get(name)}
    # The service manager's own PATH has neither codex nor cursor-agent.
    variables |= {"PATH": env["PATH"]} if env.get("PATH") else {}
    if platform == "linux":
        return _systemd(env, argv, variables)
    if platform == "darwin":
        return _launchd(env, argv, variables, run_dir(env) / f"{port}.log")
    msg = "services are not supported on this system"
    raise CliError(msg, "Make the Task Scheduler run at logon: codex-shim start")


def _systemd(env: Mapping[str, str], argv: Sequence[str], variables: Mapping[str, str]) -> Service:
    base = Path(env["XDG_CONFIG_HOME"]) if env.get("XDG_CONFIG_HOME") else home(env) / ".config"
    lines = [
        "[Unit]",
        "Description=codex-shim, one local port for Codex",
        "",
        "[Service]",
        f"ExecStart={' '.join(systemd_quote(argument).replace('$', '$$') for argument in argv)}",
        *(f"Environment={systemd_quote(f'{name}={value}')}" for name, value in variables.items()),
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


def systemd_quote(text: str) -> str:
    """Quote a value of a unit file (systemd.syntax(7)). In a command line `$` must be escaped as well."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _launchd(
    env: Mapping[str, str], argv: Sequence[str], variables: Mapping[str, str], log: Path
) -> Service:
    path = home(env) / "Library" / "LaunchAgents" / f"{LABEL}.plist"
    content = plistlib.dumps(
        {
            "Label": LABEL,
            "ProgramArguments": list(argv),
            "EnvironmentVariables": dict(variables),
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
