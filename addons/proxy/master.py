"""The small Master behind `codex-shim serve`: it has only the addons that a turn needs.

Stock mitmdump calls about thirty addons for each hook, which is more than a third of a small request's CPU time.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from mitmproxy import exceptions, master
from mitmproxy.addons import core, disable_h2c, next_layer, proxyserver
from mitmproxy.options import Options

from addons.adapters.cassette.use import NO_CASSETTE, CassetteUse
from addons.adapters.system.mitmproxy_confdir import usable_confdir
from addons.proxy.addon import CAPTURE, HOOK, PRIVACY, RECORD, SETTINGS, CodexShim, ListenerTls
from addons.proxy.composition import ALLOW_REMOTE
from addons.proxy.engine.mitmproxy_patches.command_pump import SyncHookRunner
from addons.proxy.engine.mitmproxy_patches.connections import call_hooks_directly
from addons.proxy.engine.mitmproxy_patches.ids_and_options import (
    shorten_contexts,
    shorten_hooks,
    shorten_ids,
    shorten_options,
)
from addons.proxy.engine.mitmproxy_patches.messages import (
    shorten_framing,
    shorten_headers,
    skip_type_checks,
)
from addons.proxy.heap import keep_freed_memory

log = logging.getLogger(__name__)

SINK = "http://127.0.0.1:9"
"""The reverse target. Nothing listens there, so a request that bypasses the engine is sent to no server."""
SWITCH_INTERVAL_SECONDS = 0.0005
LOCAL_NAMES = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  compared, not bound
"""Listen address → the loopback address that reaches it. Admission accepts loopback names."""


class StartError(Exception):
    """The shim cannot start, because of an option, the environment or the port. The text is for the user."""


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """Where to listen and which clients to serve. Port 0 takes a free port."""

    host: str
    port: int
    settings: Path | None = None
    allow_remote: bool = False
    cassettes: CassetteUse = NO_CASSETTE
    hooks: Sequence[str] = ()
    """Names of hooks: files, or objects of installed packages."""
    privacy: bool = False
    """Whether the privacy gate is on whatever models.json says."""


class ShimMaster(master.Master):
    """mitmproxy with `CodexShim` and the addons that it needs. Raises StartError when the environment is not usable."""

    def __init__(
        self,
        listen: ListenOptions,
        on_ready: Callable[[ShimMaster], None],
        env: Mapping[str, str] | None = None,
    ) -> None:
        environment = os.environ if env is None else env
        super().__init__(_options(listen, environment), with_termlog=False)
        self.shim = CodexShim(env, listen.cassettes)
        self._listen = listen
        self._on_ready = on_ready
        self._proxyserver = proxyserver.Proxyserver()
        self.addons.add(
            core.Core(),
            # Before the listener: an option that the shim refuses must not take effect, not even for a moment.
            self.shim,
            disable_h2c.DisableH2C(),
            self._proxyserver,
            next_layer.NextLayer(),
            ListenerTls(),
        )
        # This master has no views, so bodies need not be kept.
        own = {
            SETTINGS: str(listen.settings or ""),
            ALLOW_REMOTE: listen.allow_remote,
            CAPTURE: 0,
            RECORD: str(listen.cassettes.record or ""),
            HOOK: list(listen.hooks),
            **({PRIVACY: True} if listen.privacy else {}),
        }
        try:
            self.options.update(**own)
        except exceptions.OptionsError as error:
            raise StartError(str(error)) from None

    @property
    def address(self) -> str:
        """Host and port at which a program of this machine reaches the listener."""
        host, port = self._proxyserver.listen_addrs()[0][:2]
        host = LOCAL_NAMES.get(host, host)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def running(self) -> None:
        """Report that the listener is open. Raise StartError when it could not be opened."""
        for server in self._proxyserver.servers:
            if server.last_exception:
                raise StartError(_listen_error(server.last_exception, self._listen))
        # Before the hooks: mitmproxy only logs what a hook raises.
        log.debug("listening at %s", self.address)
        self.shim.engine.run_hook = SyncHookRunner(self.addons).run
        call_hooks_directly(self)
        await super().running()
        self._on_ready(self)

    async def run_until_signal(self) -> None:
        """Serve until SIGINT or SIGTERM, then drain. Raise StartError."""
        for number in (signal.SIGINT, signal.SIGTERM):
            # Not the handlers of the event loop: Windows has none.
            signal.signal(number, self._stop)
        await self.run()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        # the second Ctrl-C of an impatient user, and the second SIGTERM of `timeout`, may come while the process ends
        if not self.event_loop.is_closed():
            self.shutdown()  # type: ignore[no-untyped-call]


def _options(listen: ListenOptions, env: Mapping[str, str]) -> Options:
    options = Options(mode=[f"reverse:{SINK}"], listen_host=listen.host, listen_port=listen.port)
    usual = Path(options.confdir).expanduser()
    try:
        confdir = usable_confdir(usual, env)
    except OSError as error:
        msg = f"cannot write to {usual} or to any other folder: {error.strerror}. Free some disk space, or set TMPDIR."
        raise StartError(msg) from None
    if confdir != usual:
        log.warning("cannot write to %s: certificates are kept in %s", usual, confdir)
        options.update(confdir=str(confdir))
    return options


def _listen_error(error: BaseException, listen: ListenOptions) -> str:
    where = f"{listen.host}:{listen.port}"
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return (
            f"cannot listen on {where}: the port is in use. "
            f"Check for a running codex-shim with `codex-shim status --port {listen.port}`, "
            f"or use another port: `codex-shim serve --port {listen.port + 1}`."
        )
    reason = error.__cause__ or error
    return f"cannot listen on {where}: {reason}. Choose another address with --host and --port."


def run_master(listen: ListenOptions, on_ready: Callable[[ShimMaster], None]) -> None:
    """Run the Master to its end. Raise StartError."""
    skip_type_checks()
    shorten_headers()
    shorten_framing()
    shorten_ids()
    shorten_options()
    shorten_contexts()
    shorten_hooks()
    keep_freed_memory()
    # By default a thread may run for 5 ms, and the turn log's thread would delay a delta for so long.
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)

    def ready(master: ShimMaster) -> None:
        # what the start made lives as long as the process: a collection need not visit it
        gc.freeze()
        on_ready(master)

    async def main() -> None:
        await ShimMaster(listen, ready).run_until_signal()

    asyncio.run(main(), loop_factory=loop_factory())


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's factory where uvloop exists: it takes less CPU for each delta and has a shorter latency tail."""
    try:
        from addons.proxy.engine.mitmproxy_patches.event_loop import EagerLoop  # noqa: PLC0415  there is no uvloop for Windows
    except ImportError:
        return None
    return EagerLoop
