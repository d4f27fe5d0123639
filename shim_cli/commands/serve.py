"""`codex-shim serve`: run the proxy in the foreground and print what it serves.

Never does: write a control character of a model's name to the terminal. mitmproxy is imported when the command runs.
Invariant: a proxy that cannot start ends with one sentence and exit code 1.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from addons.adapters.cassette.use import NO_CASSETTE, CassetteUse
from addons.adapters.system.paths import token_file
from addons.adapters.system.umask import set_private_umask
from addons.core.version import VERSION
from shim_cli.console.errors import CliError
from shim_cli.console.outputs import drop_lost_output
from shim_cli.console.settings_file import require_settings_file
from shim_cli.state.processes import start_mark
from shim_cli.state.run_state import RunState, remove_state, write_state

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from addons.adapters.route_sources import RouteSources
    from addons.core.cassette.player import Player
    from addons.core.routes import Route
    from addons.proxy.master import ShimMaster

MAX_SLUGS = 8
"""How many slugs of one provider are listed; the rest are counted."""
EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104  compared, not bound
EVERY_ADDRESS_NOTICE = (
    "  and on every other address of this machine ({host}); clients elsewhere need --allow-remote"
)
NEW_OBJECTS = 20_000
"""How many of them start a collection while modules are imported: nearly all of these stay, and every one is visited."""
LOG_BYTES, LOG_FILES = 1024 * 1024, 3


def serve(
    host: str,
    port: int,
    settings: Path | None,
    log_file: Path | None,
    *,
    allow_remote: bool,
    verbose: bool = False,
    cassettes: CassetteUse = NO_CASSETTE,
    hooks: Sequence[str] = (),
    privacy: bool = False,
) -> int:
    """Serve until Ctrl-C or SIGTERM, then drain; return 0. Raises CliError if it cannot start.

    With a log file it runs as a daemon and logs to that file, which is rotated.
    """
    drop_lost_output()
    require_settings_file(settings)
    set_private_umask()
    _configure_logging(log_file)
    if verbose or not log_file:
        _show_turns()
    with _few_collections():
        _load_mitmproxy()
        from addons.proxy.master import ListenOptions, StartError, run_master  # noqa: PLC0415

    listen = ListenOptions(host, port, settings, allow_remote, cassettes, hooks, privacy)
    ports: list[int] = []

    def ready(master: ShimMaster) -> None:
        ports.append(_write_run_state(master, log_file, settings))
        _announce_all(master, host, cassettes, hooks)

    try:
        run_master(listen, ready)
    except StartError as error:
        raise CliError(str(error)) from error
    except Exception as error:
        failure = _start_failure(error)
        if ports or failure is error:
            raise
        raise CliError(str(failure)) from error
    finally:
        for listened in ports:
            remove_state(os.environ, listened)
    return 0


def _announce_all(
    master: ShimMaster, host: str, cassettes: CassetteUse, hooks: Sequence[str]
) -> None:
    if cassettes.player:
        announce_replay(master.address, cassettes.player)
    else:
        announce(master, host)
        announce_record(cassettes.record)
        announce_hooks(hooks)


def end_at_eof() -> None:
    """End this process when its stdin does: its other end is held by the process that it is for, however that ends."""
    stdin = sys.stdin.fileno()

    def wait() -> None:
        # not by sys.stdin: a thread that reads it when Python ends aborts the process
        while os.read(stdin, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def _write_run_state(master: ShimMaster, log_file: Path | None, settings: Path | None) -> int:
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
        settings=str(settings.absolute()) if settings else "",
    )
    if problem := write_state(os.environ, state):
        logging.getLogger("addons").warning(
            "`codex-shim stop` will not find this process: %s", problem
        )
    return port


@contextmanager
def _few_collections() -> Iterator[None]:
    usual = gc.get_threshold()
    gc.set_threshold(NEW_OBJECTS)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _load_mitmproxy() -> None:
    from addons.proxy.engine.mitmproxy_patches.lazy_addons import skip_stock_addons  # noqa: PLC0415
    from addons.proxy.engine.mitmproxy_patches.unused_packages import (  # noqa: PLC0415
        defer_unused_packages,
    )
    from addons.proxy.heap import share_heap  # noqa: PLC0415

    # before the first thread, which the start check makes
    share_heap()
    skip_stock_addons()
    with defer_unused_packages():
        from addons.proxy.engine.compat import (  # noqa: PLC0415
            IncompatibleMitmproxyError,
            require_tested_mitmproxy,
        )

        try:
            require_tested_mitmproxy(_loop_factory)
        except IncompatibleMitmproxyError as error:
            raise CliError(str(error)) from error


def _start_failure(error: Exception) -> Exception:
    from addons.proxy.engine.compat import start_failure  # noqa: PLC0415

    return start_failure(error)


def _loop_factory() -> Callable[[], AbstractEventLoop] | None:
    from addons.proxy.master import loop_factory  # noqa: PLC0415

    return loop_factory()


def _configure_logging(log_file: Path | None) -> None:
    """Log to stderr, or to a file of limited size. Lines in a file have a date, as it may hold weeks."""
    logging.basicConfig(
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S" if log_file else "%H:%M:%S",
        handlers=[_rotating(log_file)] if log_file else None,
    )
    logging.getLogger("addons").setLevel(logging.INFO)
    # StartError reports a port in use with advice; without this, mitmproxy would report it twice.
    for name in ("mitmproxy.proxy.mode_servers", "mitmproxy.addons.proxyserver"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _show_turns() -> None:
    # not in the log of a background shim: access.jsonl has them
    """Write a line per turn to stderr, without a level: a good turn is no message for debugging."""
    turns = logging.getLogger("addons.turns")
    turns.setLevel(logging.DEBUG)
    turns.addHandler(logging.StreamHandler())
    turns.propagate = False


def _rotating(log_file: Path) -> logging.Handler:
    from logging.handlers import RotatingFileHandler  # noqa: PLC0415

    return RotatingFileHandler(
        log_file, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8"
    )


def announce(master: ShimMaster, host: str = "127.0.0.1") -> None:
    """Print the address, the live models, why others are not live, and a command to try."""
    from addons.adapters.system.local_token import LocalToken  # noqa: PLC0415

    env = os.environ
    token = token_file(env) if LocalToken(env).rule().required else None
    lines = announcement(master.address, master.shim.sources, token)
    if host in EVERY_ADDRESS:
        lines.insert(1, EVERY_ADDRESS_NOTICE.format(host=host))
    privacy = master.shim.parts.privacy
    if privacy.is_on:
        lines.append(f"The privacy gate replaces {privacy.shown}.")
    sys.stdout.write("".join(_printable(line) + "\n" for line in lines))
    sys.stdout.flush()


def announce_record(path: Path | None) -> None:
    """Print where turns are recorded, if they are."""
    if path:
        sys.stdout.write(f"Turns are recorded to {path}, with their text. Ctrl-C ends it.\n")
        sys.stdout.flush()


def announce_hooks(names: Sequence[str]) -> None:
    """Print which hooks see the turns, if any does."""
    if names:
        listed = ", ".join(map(_printable, names))
        sys.stdout.write(f"Each turn passes the hooks of {listed}.\n")
        sys.stdout.flush()


def announce_replay(address: str, player: Player) -> None:
    """Print the address, and which turns are served."""
    count, manner = len(player.cassette.turns), "by position" if player.is_loose else "strictly"
    slugs = ", ".join({turn.request.slug: None for turn in player.cassette.turns})
    sys.stdout.write(
        f"Replaying {count} turns of {player.name} on http://{address}/v1\n"
        f"  compared {manner}; no upstream is asked\n"
        f"  models    {_printable(slugs)}\n"
    )
    sys.stdout.flush()


def announcement(address: str, sources: RouteSources, token: Path | None = None) -> list[str]:
    """Return the lines to print. `address` is host and port; `token` is the file of the local token, if required."""
    table = sources.table()
    lines = [f"codex-shim listens on http://{address}/v1", *_routes(table.live)]
    if problem := sources.login_problem:
        lines.append(f"  chatgpt   not live: {problem.message}")
    cursor = sources.cursor.agent.available
    if cursor.binary and cursor.reason:
        # Without cursor-agent, Cursor is not worth a line.
        lines.append(f"  cursor    not live: {cursor.reason}")
    lines += [f"  settings  {text}" for text in sources.problems]
    if table.live:
        lines += ["Try it:", f"  {_try_line(address, table.live[0].slug, token)}"]
    return lines


def _routes(live: Sequence[Route]) -> list[str]:
    slugs: dict[str, list[str]] = {}
    for route in live:
        slugs.setdefault(route.label or route.provider, []).append(route.slug)
    return [
        f"  {upstream:<9} {', '.join(names[:MAX_SLUGS])}"
        + (f" and {len(names) - MAX_SLUGS} more" if len(names) > MAX_SLUGS else "")
        for upstream, names in slugs.items()
    ]


def _try_line(address: str, slug: str, token: Path | None) -> str:
    # The ChatGPT backend takes no plain string, and older versions of it nothing without instructions.
    message = {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "Say hello"}],
    }
    fields = {"instructions": "Be brief.", "input": [message], "stream": True, "store": False}
    body = json.dumps({"model": slug, **fields})
    url, kind = f"http://{address}/v1/responses", "content-type: application/json"
    # A proxy of $http_proxy must not get the local token.
    line = f"curl -N --noproxy '*' {shlex.quote(url)} -H {shlex.quote(kind)} -d {shlex.quote(body)}"
    if not token:
        return line
    from addons.core.headers import TOKEN_HEADER  # noqa: PLC0415

    # The header comes from stdin: other users can read a command line.
    header = f"sed 's/^/{TOKEN_HEADER}: /' {shlex.quote(str(token))}"
    return f"{header} | {line} -H @-"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
