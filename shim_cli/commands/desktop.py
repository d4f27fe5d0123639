"""`codex-shim app`: enable the shim in Codex's config while Codex Desktop is open.

Desktop accepts no `-c`, so its config is changed, and restored when it quits. Never does: change or quit the app, or
disable a shim that was enabled before. Invariant: the config is restored however the wait ends.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import typer

from addons.adapters.codex.config_file import CodexConfig, ConfigError
from addons.adapters.system.paths import home
from shim_cli.commands.launch import codex_command
from shim_cli.commands.model import select_model
from shim_cli.console.errors import CliError
from shim_cli.state.daemon import ensure_started
from shim_cli.state.processes import exit_on_termination

Run = Callable[[Sequence[str]], int]
APP = "Codex.app"


def run(command: Sequence[str]) -> int:
    """Run a command and return its exit code."""
    return subprocess.call(command, stdout=subprocess.DEVNULL)  # noqa: S603  fixed names, and no shell


def open_app(
    env: Mapping[str, str],
    port: int,
    settings: Path | None,
    folder: Path,
    *,
    run: Run = run,
    platform: str = sys.platform,
) -> int:
    """Open Desktop in a folder, wait until it quits and restore its config. Raises CliError."""
    app = installed_app(env, platform)
    if run(["pgrep", "-x", "Codex"]) == 0:
        msg = "Codex Desktop is open and has already read its config"
        raise CliError(msg, "Quit it, then run the command again.")
    codex = codex_command(env)
    ensure_started(env, port, settings)
    with _EnabledConfig(env, port, settings):
        if code := run([*codex, "app", str(folder.absolute())]):
            msg = f"`codex app` exited with code {code}"
            raise CliError(msg, "Run it to see its output: codex app")
        typer.echo("Codex Desktop uses the shim until it quits.")
        run(["open", "-W", "-a", str(app)])
    return 0


def installed_app(env: Mapping[str, str], platform: str) -> Path:
    """Return the path of the installed app. Raises CliError."""
    if platform != "darwin":
        msg = "`codex-shim app` supports macOS only"
        raise CliError(
            msg, "Run codex-shim enable, open Codex Desktop, then run codex-shim disable."
        )
    for folder in (Path("/Applications"), home(env) / "Applications"):
        if (folder / APP).is_dir():
            return folder / APP
    msg = f"{APP} is neither in /Applications nor in ~/Applications"
    raise CliError(msg, "Install it: codex app")


class _EnabledConfig:
    """Context manager that enables the shim in Codex's config and restores the config on exit."""

    def __init__(self, env: Mapping[str, str], port: int, settings: Path | None) -> None:
        self._env, self._port, self._settings = env, port, settings
        self._config = CodexConfig(env)
        self._was_enabled = False

    def __enter__(self) -> None:
        exit_on_termination()
        try:
            self._was_enabled = self._config.active_model() is not None
        except ConfigError as error:
            raise CliError(str(error), error.advice) from error
        select_model(self._env, None, self._port, self._settings)

    def __exit__(self, *_: object) -> None:
        if self._was_enabled:
            return
        try:
            self._config.remove()
        except ConfigError as error:
            raise CliError(str(error), "Then restore the config: codex-shim disable") from error
