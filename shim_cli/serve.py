"""`codex-shim serve`: the proxy in the foreground, and what a newcomer needs to see of it.

mitmproxy is imported here, when the command runs, and nowhere else in the CLI.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shim_cli.errors import CliError

if TYPE_CHECKING:
    from addons.core.routes import Route
    from addons.proxy.master import ShimMaster

SHOWN = 8
"""How many slugs of one provider are named before the rest is counted."""


def serve(host: str, port: int, settings: Path | None, *, allow_remote: bool) -> int:
    """Serve until Ctrl-C or SIGTERM, then drain; gives 0. Raises CliError when it cannot start."""
    from addons.proxy.engine.compat import (  # noqa: PLC0415  loads mitmproxy
        IncompatibleMitmproxyError,
        require_known_mitmproxy,
    )

    _log_to_stderr()
    try:
        require_known_mitmproxy()
        from addons.proxy.master import ListenOptions, StartError, run_master  # noqa: PLC0415
    except IncompatibleMitmproxyError as error:
        raise CliError(str(error)) from error
    try:
        run_master(ListenOptions(host, port, settings, allow_remote), announce)
    except StartError as error:
        raise CliError(str(error)) from error
    return 0


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
    sources = master.shim.sources
    lines = [f"codex-shim listens on http://{master.address}/v1", *_routes(sources.table().live)]
    if problem := sources.login_problem:
        lines.append(f"  chatgpt   not live: {problem.message}")
    lines += [f"  settings  {text}" for text in sources.settings.problems]
    live = sources.table().live
    if live:
        lines += ["Try it:", f"  {_try_line(master.address, live[0].slug)}"]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


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
    body = f'{{"model":"{slug}","stream":true,"input":"Say hello","store":false}}'
    return (
        f"curl -N http://{address}/v1/responses -H 'content-type: application/json' -d '{body}'"
    )
