"""`codex-shim picker` and `dashboard`: open a page of the shim in the browser, with the local token.

The page reads the token from the fragment of its URL. Every user of the machine can read a browser's command line, so
the browser opens a private local file that redirects to that URL.

Never does: print the token. Invariant: the shim answers before the page is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Literal

import typer

from addons.adapters.system.files import FileAccessError, write_atomic
from addons.adapters.system.local_token import read_token
from addons.adapters.system.paths import token_file
from shim_cli.console.browser import is_headless, open_url
from shim_cli.console.errors import STATE_FOLDER_ADVICE, CliError
from shim_cli.state.daemon import ensure_started
from shim_cli.state.run_state import run_dir

Page = Literal["picker", "dashboard"]
REMOTE = ("SSH_CONNECTION", "SSH_TTY")
"""Variables of a shell on another machine."""
_REDIRECT = """\
<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer"><title>codex-shim</title>
<meta http-equiv="refresh" content="0;url={url}">
"""


def open_page(
    env: Mapping[str, str], port: int, settings: Path | None, page: Page, *, use_browser: bool
) -> int:
    """Start the shim if it is not running, and open its page. Raises CliError."""
    started = ensure_started(env, port, settings)
    if not started.was_running:
        typer.echo(started.notice(port), err=True)
    url = f"{started.url}/{page}"
    redirect = redirect_page(env, port, page, url)
    if use_browser and not is_headless(env) and open_url(redirect.as_uri()):
        typer.echo(f"Opened {url} in your browser.")
        return 0
    if any(env.get(name) for name in REMOTE):
        typer.echo("\n".join(_remote_lines(env, port, url)))
        return 0
    lines = [
        "Open this file in a browser. It contains the local token, so keep it private:",
        f"  {redirect.as_uri()}",
        f"Or open {url} and enter the token from {token_file(env)}",
    ]
    typer.echo("\n".join(lines))
    return 0


def _remote_lines(env: Mapping[str, str], port: int, url: str) -> list[str]:
    """Return how to open the page from the machine that the user sits at: no file of this one is there."""
    return [
        f"This is a remote machine. On yours: ssh -N -L {port}:127.0.0.1:{port} THIS-MACHINE",
        f"Then open {url} there and enter the token from {token_file(env)}",
    ]


def redirect_page(env: Mapping[str, str], port: int, page: Page, url: str) -> Path:
    """Write the private file that redirects to the page, and return its path. Raises CliError."""
    path = run_dir(env) / f"{page}-{port}.html"
    content = _REDIRECT.format(url=escape(f"{url}#token={read_token(env)}"))
    try:
        write_atomic(path, content.encode())
    except FileAccessError as error:
        raise CliError(str(error), STATE_FOLDER_ADVICE) from error
    return path
