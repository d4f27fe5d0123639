"""The small Master behind `codex-shim serve`: only the addons that carrying turns takes.

Stock mitmdump visits some thirty addons for each hook; they are more than a third of a small request's CPU time.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from mitmproxy import exceptions, http, master
from mitmproxy.addons import core, disable_h2c, next_layer, proxyserver, tlsconfig
from mitmproxy.options import Options

from addons.origins.confdir import usable_confdir
from addons.proxy.addon import ALLOW_REMOTE, CAPTURE, SETTINGS, CodexShim
from addons.proxy.engine.hooks import HooksAtOnce
from addons.proxy.heap import keep_freed_memory

log = logging.getLogger(__name__)

SINK = "http://127.0.0.1:9"
"""The reverse target. Dead on purpose: what slips past the engine ends here."""
TURN_OF_A_THREAD_SECONDS = 0.0005
LOCAL_NAMES = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  compared, not bound
"""A listener on every interface is reached by the loopback address, which the gate knows."""


class StartError(Exception):
    """The shim cannot start: an option, the environment or the port. The text is for the user."""


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """Where to listen and whom to serve. Port 0 takes a free one."""

    host: str
    port: int
    settings: Path | None = None
    allow_remote: bool = False


class ShimMaster(master.Master):
    """mitmproxy with our addon and little else. Raises StartError when the environment is not usable."""

    def __init__(
        self,
        listen: ListenOptions,
        on_ready: Callable[[ShimMaster], None],
        env: Mapping[str, str] | None = None,
    ) -> None:
        environment = os.environ if env is None else env
        super().__init__(_options(listen, environment), with_termlog=False)
        self.shim = CodexShim(env)
        self._listen = listen
        self._on_ready = on_ready
        self._proxyserver = proxyserver.Proxyserver()
        self.addons.add(
            core.Core(),
            # before the one that listens: an option that the shim refuses must not take effect for a moment
            self.shim,
            disable_h2c.DisableH2C(),
            self._proxyserver,
            next_layer.NextLayer(),
            tlsconfig.TlsConfig(),
        )
        # nobody looks at the flows of this master
        own = {
            SETTINGS: str(listen.settings or ""),
            ALLOW_REMOTE: listen.allow_remote,
            CAPTURE: 0,
        }
        try:
            self.options.update(**own)
        except exceptions.OptionsError as error:
            raise StartError(str(error)) from None

    @property
    def address(self) -> str:
        """Host and port under which a program of this machine reaches the listener."""
        host, port = self._proxyserver.listen_addrs()[0][:2]
        host = LOCAL_NAMES.get(host, host)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def running(self) -> None:
        """The listener is up, or could not be opened."""
        for server in self._proxyserver.servers:
            if server.last_exception:
                raise StartError(_why_not(server.last_exception, self._listen))
        self.shim.engine.run_hook = HooksAtOnce(self.addons).run
        await super().running()
        self._on_ready(self)

    async def run_until_signal(self) -> None:
        """Serve until SIGINT or SIGTERM, then drain. Raises StartError."""
        for number in (signal.SIGINT, signal.SIGTERM):
            # not the loop's own handlers: Windows has none
            signal.signal(number, self._stop)
        await self.run()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.shutdown()  # type: ignore[no-untyped-call]


def _options(listen: ListenOptions, env: Mapping[str, str]) -> Options:
    options = Options(mode=[f"reverse:{SINK}"], listen_host=listen.host, listen_port=listen.port)
    usual = Path(options.confdir).expanduser()
    try:
        confdir = usable_confdir(usual, env)
    except OSError as error:
        msg = f"{usual} cannot be written, nor any other folder: {error.strerror}. Make room, or set TMPDIR."
        raise StartError(msg) from None
    if confdir != usual:
        log.warning("%s cannot be written: certificates are kept in %s", usual, confdir)
        options.update(confdir=str(confdir))
    return options


def _why_not(error: BaseException, listen: ListenOptions) -> str:
    where = f"{listen.host}:{listen.port}"
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return (
            f"cannot listen on {where}: the port is in use. "
            f"See whether it is a codex-shim with `codex-shim status --port {listen.port}`, "
            f"or take another port: `codex-shim serve --port {listen.port + 1}`."
        )
    reason = error.__cause__ or error
    return f"cannot listen on {where}: {reason}. Choose another address with --host and --port."


def run_master(listen: ListenOptions, on_ready: Callable[[ShimMaster], None]) -> None:
    """Run the Master to its end. Raises StartError."""
    skip_type_checks()
    keep_freed_memory()
    # the books' thread must not hold up a delta for the 5 ms that Python lets a thread run
    sys.setswitchinterval(TURN_OF_A_THREAD_SECONDS)

    async def main() -> None:
        await ShimMaster(listen, on_ready).run_until_signal()

    asyncio.run(main(), loop_factory=_loop_factory())


def skip_type_checks() -> None:
    """Make messages without looking at the type of each of their fields: a tenth of a small turn's CPU time.

    They also try and catch, and each exception keeps the frames that it passed, a turn's stream among them, until a
    collection. `python -O` would leave these checks out as well, and with them every assertion.
    """

    def unchecked(_: http.MessageData) -> None:
        """Take the fields as they are."""

    if hasattr(http.MessageData, "__post_init__"):
        setattr(http.MessageData, "__post_init__", unchecked)  # noqa: B010  mypy knows of no assignable method


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop, where there is one: less CPU a delta and a shorter tail than asyncio's own loop."""
    try:
        from addons.proxy.loop import EagerLoop  # noqa: PLC0415  there is no uvloop for Windows
    except ImportError:
        return None
    return EagerLoop
