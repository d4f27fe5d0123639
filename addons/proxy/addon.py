"""The addon: one short method a hook. It lets requests in and labels them; the engine does the rest.

Every hook is fail-closed: the engine carries a flow on only when the hook has come to its end and said so, and what
raises on the way is answered with the id under which it is logged.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mitmproxy import ctx, exceptions, http
from mitmproxy.addonmanager import Loader
from mitmproxy.connection import Client
from mitmproxy.utils import asyncio_utils

from addons.core import gate
from addons.core.credential import Origin
from addons.core.egress import CA_FILE, proxy_for
from addons.core.errors import Problem
from addons.core.front import Endpoint, Endpoints, ShimFront, Status
from addons.core.limits import MIB
from addons.core.models_api import ModelsApi
from addons.core.outcomes import Outcomes
from addons.core.record import TurnRecord
from addons.origins.books import Books
from addons.origins.codex_config import CodexConfig
from addons.origins.dashboard import Dashboard
from addons.origins.local_token import LocalToken
from addons.origins.pages import DOCUMENTS, page_endpoints
from addons.origins.paths import access_log_file, ledger_file
from addons.origins.price_table import shipped_prices
from addons.origins.sources import Sources
from addons.origins.wiring import switch_origin
from addons.proxy.engine.engine import Engine
from addons.proxy.guard import fail_closed
from addons.proxy.heap import HeapKeeper
from addons.proxy.kept import LastTurns
from addons.version import VERSION

if TYPE_CHECKING:
    from mitmproxy.proxy.layer import NextLayer

log = logging.getLogger(__name__)

SETTINGS = "codex_shim_settings"
ALLOW_REMOTE = "codex_shim_allow_remote"
CAPTURE = "codex_shim_capture"
CAPTURE_BYTES = 4 * MIB
"""How much of each body on the wire is kept beside its flow, where flows are looked at."""
REFRESH_SECONDS = 300.0
"""How often the account's model list is asked for. Unchanged, it costs one 304."""
LOOK_SECONDS = 2.0
"""How often the login is looked at: a new one is asked for its models at once."""


class CodexShim:
    """Routes the turns of Codex by model slug. Needs reverse mode; see `codex-shim mitmdump`."""

    name = "codex_shim"
    engine: Engine
    books: Books
    dashboard: Dashboard
    sources: Sources

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self._env = os.environ if env is None else env
        self._started = time.monotonic()
        self._background: tuple[asyncio.Task[None], ...] = ()
        self._last_turns = LastTurns()
        self._heap = HeapKeeper()
        self._outcomes = Outcomes()

    # Life -------------------------------------------------------------------------------------------------

    def load(self, loader: Loader) -> None:
        """Register the options, and set those of mitmproxy that have one right value."""
        loader.add_option(SETTINGS, str, "", "models.json. Default: ~/.codex-shim/models.json")
        loader.add_option(
            CAPTURE, int, CAPTURE_BYTES, "Bytes of each wire body kept with its flow. 0: none."
        )
        loader.add_option(ALLOW_REMOTE, bool, False, "Serve clients on other machines.")  # noqa: FBT003
        # eager would dial the dead sink for each client, and hang up on the client when that fails
        ctx.options.update_defer(connection_strategy="lazy", keep_host_header=True)
        if ca_file := self._env.get(CA_FILE):
            ctx.options.update_defer(ssl_verify_upstream_trusted_ca=ca_file)

    def configure(self, updated: set[str]) -> None:
        """Read what the options name; refuse what would weaken the promises."""
        if "mode" in updated and (wrong := [m for m in ctx.options.mode if not _is_reverse(m)]):
            msg = (
                f"codex-shim runs in reverse mode, not in {wrong[0]!r}. "
                "Start it with `codex-shim mitmdump`, which passes the right mode."
            )
            raise exceptions.OptionsError(msg)
        if "ssl_insecure" in updated and ctx.options.ssl_insecure:
            msg = (
                "codex-shim never talks to an upstream without verifying its certificate. Leave ssl_insecure off "
                "and name your CA with ssl_verify_upstream_trusted_ca; see certs/README.md."
            )
            raise exceptions.OptionsError(msg)
        if SETTINGS in updated:
            self._use_settings(getattr(ctx.options, SETTINGS))
        if CAPTURE in updated:
            self.engine.capture_bytes = max(0, getattr(ctx.options, CAPTURE))
        if engine := getattr(self, "engine", None):
            # made under options that may say now whom not to trust
            engine.spares.clear()

    def _use_settings(self, settings: str) -> None:
        try:
            _require_file(CA_FILE, self._env)
            sources = Sources(self._env, Path(settings) if settings else None)
        except ValueError as error:
            msg = f"{error}. Correct it, then start codex-shim again."
            raise exceptions.OptionsError(msg) from None
        if before := getattr(self, "sources", None):
            # its children go on, and it alone counts them
            sources.cursor = before.cursor
        self.sources = sources
        if not hasattr(self, "engine"):
            self._open_books()
        front = ShimFront(
            sources.table,
            self._status,
            self._body_cap,
            sources.models_etag,
            more=self._more(sources),
            token=LocalToken(self._env).rule,
        )
        if engine := getattr(self, "engine", None):
            # its turns go on, so it stays: another one would know none of them
            engine.front, engine.limits = front, sources.settings.limits
            return
        self.engine = Engine(
            front, sources.settings.limits, proxy_for=self._proxy_for, on_turn=self._turn_ended
        )
        self.engine.install()

    def _open_books(self) -> None:
        ledger = ledger_file(self._env)
        self.books = Books(access_log_file(self._env), ledger)
        self.dashboard = Dashboard(
            ledger,
            self.books,
            running=lambda: self.engine.running,
            prices=lambda: shipped_prices(self.sources.rows.rows),
        )

    def _turn_ended(self, record: TurnRecord) -> None:
        self.books.note(record)
        self._outcomes.note(record)
        self.dashboard.turn_ended(record)
        self._heap.turn_ended(record.bytes_in)

    def _more(self, sources: Sources) -> Endpoints:
        switch = switch_origin(self._env, sources.table, self._port)
        in_force = CodexConfig(self._env).model_in_force
        models = ModelsApi(sources.table, in_force, switch, self._outcomes.of)
        turns = Endpoint(("GET",), self._last_turns.plan)
        data = {**models.endpoints, **self.dashboard.endpoints, "/api/turns": turns}
        return {**page_endpoints(), **data}

    def running(self) -> None:
        """Begin to ask for the account's models, and for Cursor's login, now and then."""
        self.engine.listen_to_many()
        self.sources.cursor.own_ports |= {self._port()}
        self._background = (
            asyncio_utils.create_task(self._keep_fresh(), name="account models", keep_ref=True),
            asyncio_utils.create_task(self._keep_cursor(), name="cursor login", keep_ref=True),
        )

    async def _keep_fresh(self) -> None:
        while True:
            login = self.sources.logins.current()
            try:
                await self.sources.refresh()
            except (OSError, ValueError, RuntimeError, ExceptionGroup) as error:
                # the next time may go better, and a task that ended asks no more
                log.warning("the account's models: %s; asked again later", type(error).__name__)
            due = time.monotonic() + REFRESH_SECONDS
            while time.monotonic() < due and self.sources.logins.current() == login:  # noqa: ASYNC110  a file tells no one
                await asyncio.sleep(LOOK_SECONDS)

    async def _keep_cursor(self) -> None:
        while True:
            cursor = self.sources.cursor
            await cursor.look()
            await cursor.agent.next_look()

    async def done(self) -> None:
        """Drain: stop listening, let turns finish, end what is left with a typed failure."""
        for task in self._background:
            task.cancel()
        self.dashboard.close()
        self._heap.close()
        await self.engine.shutdown()
        await self.sources.cursor.close()
        # what a task of these has started has to be ended by it
        await asyncio.gather(*self._background, return_exceptions=True)
        await asyncio.to_thread(self.books.close)

    # Connections ------------------------------------------------------------------------------------------

    @fail_closed
    def client_connected(self, client: Client) -> None:
        """Let programs of this machine in, others only when an option says so."""
        if getattr(ctx.options, ALLOW_REMOTE) or gate.is_loopback_address(client.peername[0]):
            self.engine.limits = self.sources.settings.limits
            self.engine.accept(client)
            self.engine.make_room(self.engine.limits.client_connections)

    @fail_closed
    def client_disconnected(self, client: Client) -> None:
        """Forget the connection."""
        self.engine.disconnected(client)

    @fail_closed
    def next_layer(self, nextlayer: NextLayer) -> None:
        """Put our HTTP layer on the connection."""
        self.engine.choose_layer(nextlayer)

    # Requests ---------------------------------------------------------------------------------------------

    @fail_closed
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Decide from the head alone whether the request may come in."""
        self.engine.admit_head(flow, self._refusal(flow))

    @fail_closed
    def request(self, flow: http.HTTPFlow) -> None:
        """The request is whole: let it go on."""
        self.engine.admit_whole(flow)

    @fail_closed
    def response(self, flow: http.HTTPFlow) -> None:
        """The turn has ended."""
        self._last_turns.keep(flow)

    @fail_closed
    def error(self, flow: http.HTTPFlow) -> None:
        """The turn has ended without a whole answer."""
        self._last_turns.keep(flow)

    def _refusal(self, flow: http.HTTPFlow) -> Problem | None:
        if flow.is_replay:
            return None
        request = flow.request
        knock = gate.Knock(
            self.engine.authority_of(flow),
            request.is_http2 or not request.data.authority,
            tuple(request.headers.fields),
            request.method == "GET" and request.path in DOCUMENTS,
        )
        return gate.refusal(knock, self.sources.settings.allowed_hosts)

    # What the front asks for ------------------------------------------------------------------------------

    def _port(self) -> int:
        addresses = ctx.master.addons.get("proxyserver").listen_addrs()
        return addresses[0][1] if addresses else 0

    def _proxy_for(self, origin: Origin) -> Origin | None:
        return proxy_for(origin, self._env, self._port())

    def _body_cap(self) -> int:
        return self.sources.settings.limits.body_bytes

    def _status(self) -> Status:
        return Status(
            version=VERSION,
            pid=os.getpid(),
            uptime_seconds=time.monotonic() - self._started,
            live_turns=len(self.engine.running),
            reasons=self.sources.reasons,
            problems=self.sources.problems,
            quota={
                route: [one.plain() for one in windows.values()]
                for route, windows in self.books.quotas.items()
            },
        )


def _require_file(variable: str, env: Mapping[str, str]) -> None:
    if (name := env.get(variable)) and not Path(name).is_file():
        msg = f"{variable} names {name}, which does not exist or is not a file"
        raise ValueError(msg)


def _is_reverse(mode: str) -> bool:
    return mode.startswith(("reverse:http://", "reverse:https://"))
