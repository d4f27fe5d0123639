"""The addons of mitmproxy: one short method for each hook. Hooks admit requests; the engine does the rest.

Never does: let a flow pass after a failure. Invariant: a flow goes on only when its hook has come to its end and has
said so. A hook that raises is answered with a typed error and an id, and the exception is logged under that id;
mitmproxy alone would log a traceback that quotes the exception, and carry the flow on.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from mitmproxy import ctx, exceptions, http
from mitmproxy.addonmanager import Loader
from mitmproxy.addons import tlsconfig
from mitmproxy.connection import Client

from addons.adapters.cassette.use import NO_CASSETTE, CassetteUse
from addons.adapters.route_sources import RouteSources
from addons.adapters.system.tasks import spawn
from addons.core.errors import Problem, problem_of
from addons.core.limits import MIB
from addons.core.server import admission
from addons.core.server.pages import DOCUMENTS
from addons.core.upstream.outbound_proxy import CA_FILE
from addons.proxy.composition import ALLOW_REMOTE, Composition
from addons.proxy.engine.engine import Engine
from addons.proxy.refresh import BackgroundRefresh, prepare_turns

if TYPE_CHECKING:
    from mitmproxy.proxy.layer import NextLayer
    from mitmproxy.tls import TlsData

log = logging.getLogger(__name__)

SETTINGS = "codex_shim_settings"
CAPTURE = "codex_shim_capture"
RECORD = "codex_shim_record"
HOOK = "codex_shim_hook"
PRIVACY = "codex_shim_privacy"
PRIVACY_VARIABLE = "CODEX_SHIM_PRIVACY"
NOT_PRIVATE = frozenset({"", "0", "false", "no", "off"})
"""Any other value, a misspelt one too, switches the gate on."""
CAPTURE_BYTES = 4 * MIB
"""Default of the option: how much of each upstream request and response body is kept with its flow, for the views."""


class HasEngine(Protocol):
    """An addon that passes its hooks to the engine."""

    engine: Engine


def fail_closed[A: HasEngine, E](hook: Callable[[A, E], None]) -> Callable[[A, E], None]:
    """Wrap a hook so that it never raises: the flow that it failed on is refused with a typed error."""

    @functools.wraps(hook)
    def guarded(addon: A, event: E) -> None:
        try:
            hook(addon, event)
        except Exception as error:  # noqa: BLE001  error boundary: a hook that fails refuses its flow
            fault = addon.engine.internal_fault(error)
            if isinstance(event, http.HTTPFlow):
                addon.engine.admit_head(event, problem_of(fault))

    return guarded


class CodexShim:
    """Routes the turns of Codex by model slug. Needs reverse mode; see `codex-shim mitmdump`."""

    name = "codex_shim"
    parts: Composition
    engine: Engine
    sources: RouteSources
    """Set by the first `configure`, which mitmproxy calls before any other hook. No properties: mitmproxy reads every
    attribute of an addon before that."""

    def __init__(
        self, env: Mapping[str, str] | None = None, cassettes: CassetteUse = NO_CASSETTE
    ) -> None:
        self._env = os.environ if env is None else env
        self._cassettes = cassettes
        self._refresh: BackgroundRefresh | None = None

    # Start and end ----------------------------------------------------------------------------------------

    def load(self, loader: Loader) -> None:
        """Register the options, and set those of mitmproxy that have one right value."""
        loader.add_option(SETTINGS, str, "", "models.json. Default: ~/.codex-shim/models.json")
        loader.add_option(
            CAPTURE, int, CAPTURE_BYTES, "Bytes of each upstream body kept with its flow. 0: none."
        )
        loader.add_option(RECORD, str, "", "Record the turns, with their text, to this new file.")
        loader.add_option(
            HOOK, Sequence[str], [], "Python files with functions that see the turns."
        )
        is_private = self._env.get(PRIVACY_VARIABLE, "").strip().lower() not in NOT_PRIVATE
        loader.add_option(PRIVACY, bool, is_private, "Send no private values upstream.")
        loader.add_option(ALLOW_REMOTE, bool, False, "Serve clients on other machines.")  # noqa: FBT003
        # The eager strategy would dial the dead sink for each client, and drop the client when that fails.
        ctx.options.update_defer(connection_strategy="lazy", keep_host_header=True)
        if ca_file := self._env.get(CA_FILE):
            ctx.options.update_defer(ssl_verify_upstream_trusted_ca=ca_file)

    def configure(self, updated: set[str]) -> None:
        """Apply changed options. Raise OptionsError for a value that would break a guarantee."""
        if "mode" in updated and (wrong := [m for m in ctx.options.mode if not _is_reverse(m)]):
            msg = (
                f"codex-shim runs in reverse mode, not in {wrong[0]!r}. "
                "Start it with `codex-shim mitmdump`, which passes the right mode."
            )
            raise exceptions.OptionsError(msg)
        if "ssl_insecure" in updated and ctx.options.ssl_insecure:
            msg = (
                "codex-shim never connects to an upstream without verifying its certificate. Leave ssl_insecure off "
                "and name your CA with ssl_verify_upstream_trusted_ca; see certs/README.md."
            )
            raise exceptions.OptionsError(msg)
        if SETTINGS in updated:
            self._use_settings(getattr(ctx.options, SETTINGS))
        if CAPTURE in updated:
            self.engine.capture_bytes = max(0, getattr(ctx.options, CAPTURE))
        if RECORD in updated and (path := getattr(ctx.options, RECORD)):
            self._record(Path(path).expanduser())
        if HOOK in updated and (getattr(ctx.options, HOOK) or self.parts.hooks):
            self._use_hooks(getattr(ctx.options, HOOK))
        if hasattr(self, "parts"):
            # its default may come from the environment, which changes no option
            self.parts.is_always_private = getattr(ctx.options, PRIVACY)
            # Idle connections were made under the old options, which may have trusted other certificates.
            self.engine.pool.clear()

    def _record(self, path: Path) -> None:
        try:
            self.parts.record(path)
        except OSError as error:
            msg = f"cannot record to {path}: {error.strerror}. Name a new file in a folder that you can write to."
            raise exceptions.OptionsError(msg) from None

    def _use_hooks(self, names: Sequence[str]) -> None:
        from addons.proxy.hooks import hooks_named  # noqa: PLC0415  nothing of it is used otherwise

        try:
            self.parts.use_hooks(hooks_named(names))
        except exceptions.OptionsError:
            raise
        except Exception as error:  # noqa: BLE001  mitmproxy would log it and start without the hooks
            msg = problem_of(self.engine.internal_fault(error)).message
            raise exceptions.OptionsError(msg) from None

    def _use_settings(self, settings: str) -> None:
        try:
            _require_file(CA_FILE, self._env)
            sources = RouteSources(self._env, Path(settings) if settings else None)
        except ValueError as error:
            msg = f"{error}. Correct it, then start codex-shim again."
            raise exceptions.OptionsError(msg) from None
        if hasattr(self, "parts"):
            sources.parse_in_thread()
            self.parts.use_sources(sources)
        else:
            self.parts = Composition(self._env, sources, self._cassettes)
            self.engine = self.parts.engine
        self.sources = sources

    def running(self) -> None:
        """Start the background tasks. The listener is open."""
        self.engine.raise_listen_backlog()
        self.sources.cursor.own_ports |= {self.parts.port}
        self.sources.account.api.own_ports |= {self.parts.port}
        if self.parts.replay:
            # nothing asks an account or a server
            return
        self.sources.parse_in_thread()
        self.parts.start_export()
        spawn(self.parts.recall_last_turns(), "last turns")
        spawn(prepare_turns(self.sources), "first turns")
        self._refresh = BackgroundRefresh(lambda: self.sources, self.parts.expect_turn)

    async def done(self) -> None:
        """Drain: stop listening, let turns finish, end the remaining ones with a typed failure."""
        self.parts.close_streams()
        await self.engine.shutdown()
        # not before: a turn may wait for the details of its account
        if self._refresh:
            self._refresh.cancel()
        await self.parts.ready.close()
        await self.sources.cursor.close()
        if self._refresh:
            await self._refresh.wait()
        await asyncio.to_thread(self.parts.close_files)

    # Connections ------------------------------------------------------------------------------------------

    @fail_closed
    def client_connected(self, client: Client) -> None:
        """Accept clients of this machine, and others only when an option says so."""
        # None if it has left already
        peer = cast("tuple[str, int] | None", client.peername)
        address = peer[0] if peer else ""
        if getattr(ctx.options, ALLOW_REMOTE) or admission.is_loopback_address(address):
            self.engine.limits = self.sources.settings.limits
            self.engine.accept(client)
            self.engine.make_room(self.engine.limits.client_connections)

    @fail_closed
    def client_disconnected(self, client: Client) -> None:
        """Forget the connection."""
        self.engine.disconnected(client)

    @fail_closed
    def next_layer(self, nextlayer: NextLayer) -> None:
        """Put the engine's HTTP layer on the connection."""
        self.engine.choose_layer(nextlayer)

    # Requests ---------------------------------------------------------------------------------------------

    @fail_closed
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Admit or refuse the request by its head alone."""
        self.engine.admit_head(flow, self._refusal(flow))

    @fail_closed
    def request(self, flow: http.HTTPFlow) -> None:
        """Let the complete request go on."""
        self.engine.admit_whole(flow)

    @fail_closed
    def response(self, flow: http.HTTPFlow) -> None:
        """Remember the turn that has ended."""
        self.parts.ended(flow)

    @fail_closed
    def error(self, flow: http.HTTPFlow) -> None:
        """Remember the turn that has ended without a complete answer."""
        self.parts.ended(flow)

    def _refusal(self, flow: http.HTTPFlow) -> Problem | None:
        if flow.is_replay:
            return None
        request = flow.request
        head = admission.RequestHead(
            self.engine.authority_of(flow),
            request.is_http2 or not request.data.authority,
            tuple(request.headers.fields),
            request.method == "GET" and request.path in DOCUMENTS,
        )
        return admission.refusal(head, self.sources.settings.allowed_hosts)


def _require_file(variable: str, env: Mapping[str, str]) -> None:
    if (name := env.get(variable)) and not Path(name).is_file():
        msg = f"{variable} names {name}, which does not exist or is not a file"
        raise ValueError(msg)


def _is_reverse(mode: str) -> bool:
    return mode.startswith(("reverse:http://", "reverse:https://"))


class ListenerTls(tlsconfig.TlsConfig):
    """mitmproxy's addon, which makes a CA when it starts, and compares the path of each request with the CA's serial number.

    Codex speaks plain HTTP on loopback, so the CA is made when the first client asks for TLS.
    """

    name = "tlsconfig"
    _is_reported = False

    def running(self) -> None:
        """Make no CA yet."""

    def tls_start_client(self, tls_start: TlsData) -> None:
        """Accept TLS of a client. Without a CA mitmproxy closes the connection."""
        if self._has_ca():
            super().tls_start_client(tls_start)

    def request(self, flow: http.HTTPFlow) -> None:
        """Answer a request for the revocation list."""
        if flow.request.data.path.endswith(b".crl") and self._has_ca():
            super().request(flow)

    def _has_ca(self) -> bool:
        """Return whether there is a CA, made now if there was none."""
        made: object = self.certstore
        if made is None:
            try:
                self.configure({"confdir"})  # type: ignore[no-untyped-call]
            except (OSError, ValueError, TypeError) as error:
                self._report(error)
                return False
        return True

    def _report(self, error: Exception) -> None:
        if not self._is_reported:
            self._is_reported = True
            log.error(
                "mitmproxy's CA in %s cannot be used (%s), so no client can speak TLS; plain HTTP goes on. Move that folder "
                "away, and the next client that asks for TLS gets a new CA.",
                Path(ctx.options.confdir).expanduser(),
                type(error).__name__,
            )
