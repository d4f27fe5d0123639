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

from addons.origins.local_token import LocalToken
from addons.origins.paths import token_file
from addons.origins.umask import write_for_owner_only
from addons.version import VERSION
from shim_cli.errors import CliError
from shim_cli.processes import start_mark
from shim_cli.run_state import RunState, remove_state, write_state

if TYPE_CHECKING:
    from addons.core.routes import Route
    from addons.origins.sources import Sources
    from addons.proxy.master import ShimMaster

SHOWN = 8
"""How many slugs of one provider are named before the rest is counted."""


LOG_BYTES, LOG_FILES = 1024 * 1024, 3


def serve(
    host: str,
    port: int,
    settings: Path | None,
    log_file: Path | None,
    *,
    allow_remote: bool,
    verbose: bool = False,
) -> int:
    """Serve until Ctrl-C or SIGTERM, then drain; gives 0. Raises CliError when it cannot start.

    With a log file it is a daemon: what it has to say goes there, and old lines go.
    """
    if settings and not settings.is_file():
        msg = f"{settings} does not exist or is not a file"
        raise CliError(msg, "Name an existing models.json: --settings PATH")
    write_for_owner_only()
    _log_to(log_file)
    if verbose:
        logging.getLogger("addons.access").setLevel(logging.DEBUG)
    _load_mitmproxy()
    from addons.proxy.master import ListenOptions, StartError, run_master  # noqa: PLC0415

    ports: list[int] = []

    def ready(master: ShimMaster) -> None:
        ports.append(_record(master, log_file))
        announce(master)

    try:
        run_master(ListenOptions(host, port, settings, allow_remote), ready)
    except StartError as error:
        raise CliError(str(error)) from error
    finally:
        for listened in ports:
            remove_state(os.environ, listened)
    return 0


def _record(master: ShimMaster, log_file: Path | None) -> int:
    port = int(master.address.rpartition(":")[2])
    pid = os.getpid()
    state = RunState(
        pid=pid,
        port=port,
        start_mark=start_mark(pid),
        drain_seconds=master.shim.sources.settings.limits.drain_seconds,
        version=VERSION,
        detached=log_file is not None,
        log=str(log_file or ""),
    )
    if problem := write_state(os.environ, state):
        logging.getLogger("addons").warning("`codex-shim stop` will not find it: %s", problem)
    return port


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


def _log_to(log_file: Path | None) -> None:
    """Log to stderr, or to a file of limited size. A date is needed where lines stay for weeks."""
    logging.basicConfig(
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S" if log_file else "%H:%M:%S",
        handlers=[_rotating(log_file)] if log_file else None,
    )
    logging.getLogger("addons").setLevel(logging.INFO)
    # what these say of a port in use is said again, better, by StartError
    for name in ("mitmproxy.proxy.mode_servers", "mitmproxy.addons.proxyserver"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _rotating(log_file: Path) -> logging.Handler:
    from logging.handlers import RotatingFileHandler  # noqa: PLC0415

    return RotatingFileHandler(
        log_file, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8"
    )


def announce(master: ShimMaster) -> None:
    """Say where it listens, what is live, why the rest is not, and one line to try it."""
    env = os.environ
    token = token_file(env) if LocalToken(env).rule().required else None
    lines = announcement(master.address, master.shim.sources, token)
    sys.stdout.write("".join(_printable(line) + "\n" for line in lines))
    sys.stdout.flush()


def announcement(address: str, sources: Sources, token: Path | None = None) -> list[str]:
    """The lines. `address` is host and port; `token` is the file of the local token, when one is needed."""
    table = sources.table()
    lines = [f"codex-shim listens on http://{address}/v1", *_routes(table.live)]
    if problem := sources.login_problem:
        lines.append(f"  chatgpt   not live: {problem.message}")
    cursor = sources.cursor.agent.available
    if cursor.binary and cursor.reason:
        # who has no cursor-agent does not miss it
        lines.append(f"  cursor    not live: {cursor.reason}")
    lines += [f"  settings  {text}" for text in sources.problems]
    if table.live:
        lines += ["Try it:", f"  {_try_line(address, table.live[0].slug, token)}"]
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


def _try_line(address: str, slug: str, token: Path | None) -> str:
    body = json.dumps({"model": slug, "stream": True, "input": "Say hello", "store": False})
    url, kind = f"http://{address}/v1/responses", "content-type: application/json"
    line = f"curl -N {shlex.quote(url)} -H {shlex.quote(kind)} -d {shlex.quote(body)}"
    if not token:
        return line
    # a header from stdin: what stands on a command line, others can read
    header = f"sed 's/^/x-codex-shim-token: /' {shlex.quote(str(token))}"
    return f"{header} | {line} -H @-"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
