"""`codex-shim app`: Codex Desktop through the shim while it is open, and its config as it was afterwards.

Desktop takes no `-c`, so its config is wired, and unwired when it quits. Never does: change the app, end it, unwire what
was wired before. Invariant: however the wait ends, the config is put back.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

import typer

from addons.origins.codex_config import CodexConfig, ConfigError
from addons.origins.paths import home
from shim_cli.daemon import ensure_started
from shim_cli.errors import CliError
from shim_cli.launch import codex_command
from shim_cli.model import use

Run = Callable[[Sequence[str]], int]
APP = "Codex.app"
ENDING = ("SIGTERM", "SIGHUP")


def run(words: Sequence[str]) -> int:
    """Run a command to its end. Gives its exit code."""
    return subprocess.call(words, stdout=subprocess.DEVNULL)  # noqa: S603  fixed names, and no shell


def open_app(
    env: Mapping[str, str],
    port: int,
    settings: Path | None,
    folder: Path,
    *,
    run: Run = run,
    platform: str = sys.platform,
) -> int:
    """Open Desktop in a folder, wait until it quits, put its config back. Raises CliError."""
    app = installed_app(env, platform)
    if run(["pgrep", "-x", "Codex"]) == 0:
        msg = "Codex Desktop is open and has read its config already"
        raise CliError(msg, "Quit it, then run it again.")
    codex = codex_command(env)
    ensure_started(env, port, settings)
    with _Wired(env, port, settings):
        if code := run([*codex, "app", str(folder.absolute())]):
            msg = f"`codex app` ended with {code}"
            raise CliError(msg, "See what it says: codex app")
        typer.echo("Codex Desktop uses the shim until it quits.")
        run(["open", "-W", "-a", str(app)])
    return 0


def installed_app(env: Mapping[str, str], platform: str) -> Path:
    """Where Desktop is. Raises CliError."""
    if platform != "darwin":
        msg = "Codex Desktop is only opened from here on macOS"
        raise CliError(msg, "Elsewhere: codex-shim enable, open it, and codex-shim disable.")
    for folder in (Path("/Applications"), home(env) / "Applications"):
        if (folder / APP).is_dir():
            return folder / APP
    msg = f"{APP} is neither in /Applications nor in ~/Applications"
    raise CliError(msg, "Install it: codex app")


class _Wired:
    """Codex's config wired inside, as it was before outside."""

    def __init__(self, env: Mapping[str, str], port: int, settings: Path | None) -> None:
        self._env, self._port, self._settings = env, port, settings
        self._config = CodexConfig(env)
        self._was_wired = False

    def __enter__(self) -> None:
        for name in ENDING:
            if number := getattr(signal, name, None):
                signal.signal(number, _end)
        try:
            self._was_wired = self._config.active_model() is not None
        except ConfigError as error:
            raise CliError(str(error), error.advice) from error
        use(self._env, None, self._port, self._settings)

    def __exit__(self, *_: object) -> None:
        if self._was_wired:
            return
        try:
            self._config.unwire()
        except ConfigError as error:
            raise CliError(str(error), "Then put it back: codex-shim disable") from error


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
