"""`codex-shim serve`: the proxy in the foreground, and what a newcomer needs to see of it.

Never does: write a control character of a model's name to the terminal. mitmproxy is imported here, when the command
runs, and nowhere else in the CLI. Invariant: what cannot start ends with one sentence and exit code 1.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shim_cli.errors import CliError

if TYPE_CHECKING:
    from addons.core.routes import Route
    from addons.origins.sources import Sources
    from addons.proxy.master import ShimMaster

SHOWN = 8
"""How many slugs of one provider are named before the rest is counted."""


def serve(
    host: str, port: int, settings: Path | None, *, allow_remote: bool, verbose: bool = False
) -> int:
    """Serve until Ctrl-C or SIGTERM, then drain; gives 0. Raises CliError when it cannot start."""
    if settings and not settings.is_file():
        msg = f"{settings} does not exist or is not a file"
        raise CliError(msg, "Name an existing models.json: --settings PATH")
    os.umask(0o077)
    _log_to_stderr()
    if verbose:
        logging.getLogger("addons.access").setLevel(logging.DEBUG)
    _load_mitmproxy()
    from addons.proxy.master import ListenOptions, StartError, run_master  # noqa: PLC0415

    try:
        run_master(ListenOptions(host, port, settings, allow_remote), announce)
    except StartError as error:
        raise CliError(str(error)) from error
    return 0


def _load_mitmproxy() -> None:
    from addons.proxy.lean import skip_stock_addons  # noqa: PLC0415

    skip_stock_addons()
    from addons.proxy.engine.compat import (  # noqa: PLC0415
        IncompatibleMitmproxyError,
        require_known_mitmproxy,
    )

    try:
        require_known_mitmproxy()
    except IncompatibleMitmproxyError as error:
        raise CliError(str(error)) from error


def _log_to_stderr() -> None:
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S"
    )
    logging.getLogger("addons").setLevel(logging.INFO)
    # what these say of a port in use is said again, better, by StartError
    for name in ("mitmproxy.proxy.mode_servers", "mitmproxy.addons.proxyserver"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def announce(master: ShimMaster) -> None:
    """Say where it listens, what is live, why the rest is not, and one line to try it."""
    lines = announcement(master.address, master.shim.sources)
    sys.stdout.write("".join(_printable(line) + "\n" for line in lines))
    sys.stdout.flush()


def announcement(address: str, sources: Sources) -> list[str]:
    """The lines. `address` is host and port."""
    table = sources.table()
    lines = [f"codex-shim listens on http://{address}/v1", *_routes(table.live)]
    if problem := sources.login_problem:
        lines.append(f"  chatgpt   not live: {problem.message}")
    lines += [f"  settings  {text}" for text in sources.problems]
    if table.live:
        lines += ["Try it:", f"  {_try_line(address, table.live[0].slug)}"]
    return lines


def _routes(live: Sequence[Route]) -> list[str]:
    slugs: dict[str, list[str]] = {}
    for route in live:
        slugs.setdefault(route.provider, []).append(route.slug)
    return [
        f"  {provider:<9} {', '.join(names[:SHOWN])}"
        + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        for provider, names in slugs.items()
    ]


def _try_line(address: str, slug: str) -> str:
    body = json.dumps({"model": slug, "stream": True, "input": "Say hello", "store": False})
    url, kind = f"http://{address}/v1/responses", "content-type: application/json"
    return f"curl -N {shlex.quote(url)} -H {shlex.quote(kind)} -d {shlex.quote(body)}"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
