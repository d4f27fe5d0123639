"""`codex-shim picker` and `dashboard`: a page of the shim in the browser, with the local token and nobody the wiser.

The page takes the token from its address's fragment. A browser gets its address on the command line, which every user of
the machine can read; so it gets the address of a file of ours instead, which only this user can read, and which leads on.

Never does: print the token. Invariant: the shim answers before anybody is sent to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Literal

import typer

from addons.origins.files import FileAccessError, write_atomic
from addons.origins.local_token import read_token
from addons.origins.paths import token_file
from shim_cli.browser import is_headless, show
from shim_cli.daemon import command, ensure_started
from shim_cli.errors import CliError
from shim_cli.run_state import run_dir

Page = Literal["picker", "dashboard"]
_LEADS_ON = """\
<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer"><title>codex-shim</title>
<meta http-equiv="refresh" content="0;url={url}">
"""


def open_page(
    env: Mapping[str, str], port: int, settings: Path | None, page: Page, *, wanted: bool
) -> int:
    """Start the shim if none runs, and show its page. Raises CliError."""
    started = ensure_started(env, port, settings)
    if not started.was_running:
        told = f"codex-shim runs in the background now. Stop it: {command('stop', port)}"
        typer.echo(told, err=True)
    url = f"{started.url}/{page}"
    way = way_to(env, port, page, url)
    if wanted and not is_headless(env) and show(way.as_uri()):
        typer.echo(f"Opened {url} in your browser.")
        return 0
    lines = [
        "Open this file in a browser; it holds the local token, so it is for you alone:",
        f"  {way.as_uri()}",
        f"Or open {url}, which asks for the token. It is in {token_file(env)}",
    ]
    typer.echo("\n".join(lines))
    return 0


def way_to(env: Mapping[str, str], port: int, page: Page, url: str) -> Path:
    """The file that leads to the page. Raises CliError."""
    path = run_dir(env) / f"{page}-{port}.html"
    content = _LEADS_ON.format(url=escape(f"{url}#token={read_token(env)}"))
    try:
        write_atomic(path, content.encode())
    except FileAccessError as error:
        raise CliError(str(error), "Set CODEX_SHIM_STATE_DIR to a folder of yours.") from error
    return path
