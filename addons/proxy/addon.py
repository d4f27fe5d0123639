"""The addon: one short method a hook. It lets requests in and labels them; the engine does the rest.

Every hook is fail-closed by construction: the engine carries a flow on only when the hook has come to its end and
said so, so a hook that raises lets nothing out.
"""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

from mitmproxy import ctx, exceptions, http
from mitmproxy.addonmanager import Loader
from mitmproxy.connection import Client

from addons.core import gate
from addons.origins.sources import Sources
from addons.proxy.engine.compat import require_known_mitmproxy
from addons.proxy.engine.engine import Engine

log = logging.getLogger(__name__)

SETTINGS = "codex_shim_settings"
ALLOW_REMOTE = "codex_shim_allow_remote"
REPLAYED = "request"


class CodexShim:
    """Routes the turns of Codex by model slug. Needs reverse mode; see `codex-shim mitmdump`."""

    name = "codex_shim"
    engine: Engine
    sources: Sources
    _refreshing: asyncio.Task[None] | None = None

    def load(self, loader: Loader) -> None:
        """Register the options; refuse a mitmproxy that the engine does not know."""
        require_known_mitmproxy()
        loader.add_option(
            SETTINGS, str, "", "Path of models.json. Default: ~/.codex-shim/models.json"
        )
        loader.add_option(ALLOW_REMOTE, bool, False, "Serve clients on other machines.")  # noqa: FBT003
        # eager would dial the dead sink for each client; the Host is checked as the client sent it
        ctx.options.update_defer(connection_strategy="lazy", keep_host_header=True)

    def running(self) -> None:
        """Start serving: options are final, the loop runs."""
        if wrong := [mode for mode in ctx.options.mode if not mode.startswith("reverse:http")]:
            msg = f"codex-shim only runs in reverse mode, not {wrong[0]!r}. Start it with `codex-shim mitmdump`."
            raise exceptions.OptionsError(msg)

    def configure(self, updated: set[str]) -> None:
        """Read the settings file that the options name, at start and when it changes."""
        if SETTINGS not in updated:
            return
        chosen = getattr(ctx.options, SETTINGS)
        self.sources = Sources(os.environ, Path(chosen) if chosen else None)

    async def done(self) -> None:
        """Drain: stop listening, let turns finish, end what is left with a typed failure."""
        if self._refreshing:
            self._refreshing.cancel()
        await self.engine.shutdown()

    # Connections ------------------------------------------------------------------------------------------

    def client_connected(self, client: Client) -> None:
        """Let programs of this machine in, others only when an option says so."""
        if getattr(ctx.options, ALLOW_REMOTE) or gate.is_loopback_address(client.peername[0]):
            self.engine.accept(client)

    def client_disconnected(self, client: Client) -> None:
        """Forget the connection."""
        self.engine.disconnected(client)

    def next_layer(self, nextlayer: object) -> None:
        """Put our HTTP layer on the connection."""
        self.engine.choose_layer(nextlayer)

    # Requests ---------------------------------------------------------------------------------------------

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Decide from the head alone whether the request may come in."""
        self.engine.admit_head(flow, self._refusal(flow))

    def request(self, flow: http.HTTPFlow) -> None:
        """The request is whole: let it go on."""
        self.engine.admit_whole(flow)
