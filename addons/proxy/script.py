"""The addon as a script of a mitmproxy that the user started: what cannot start ends the process in plain words.

mitmproxy would log a traceback and, with bad luck, go on without the shim. Invariant: once it serves, a refused option
is an OptionsError and the process lives.
"""

from __future__ import annotations

from mitmproxy import ctx, exceptions, http
from mitmproxy.addonmanager import Loader

from addons.origins.umask import write_for_owner_only
from addons.proxy import contentviews
from addons.proxy.addon import CodexShim
from addons.proxy.flow_cap import MOST_BYTES, MOST_FLOWS, FlowCap
from addons.proxy.guard import fail_closed

KEEP_FLOWS = "codex_shim_keep_flows"
KEEP_BYTES = "codex_shim_keep_bytes"


class ScriptedShim(CodexShim):
    """CodexShim behind `mitmdump -s` and `mitmweb -s`."""

    _serves = False
    _cap = FlowCap()

    def load(self, loader: Loader) -> None:
        """Offer our views; keep what mitmproxy writes, such as -w files, to this user: it holds whole conversations."""
        write_for_owner_only()
        contentviews.install()
        loader.add_option(KEEP_FLOWS, int, MOST_FLOWS, "Most flows that are kept to be looked at.")
        loader.add_option(
            KEEP_BYTES, int, MOST_BYTES, "Most bytes of flows that are kept to be looked at."
        )
        super().load(loader)

    def configure(self, updated: set[str]) -> None:
        """Refuse what CodexShim refuses; during start-up by ending the process with exit code 1."""
        if updated & {KEEP_FLOWS, KEEP_BYTES}:
            self._cap = FlowCap(getattr(ctx.options, KEEP_FLOWS), getattr(ctx.options, KEEP_BYTES))
        try:
            super().configure(updated)
        except exceptions.OptionsError as error:
            if self._serves:
                raise
            raise SystemExit(str(error)) from None

    def running(self) -> None:
        """The start is over."""
        self._serves = True
        super().running()

    @fail_closed
    def response(self, flow: http.HTTPFlow) -> None:
        """The turn has ended, and takes its place among those that are kept."""
        super().response(flow)
        self._make_room(flow)

    @fail_closed
    def error(self, flow: http.HTTPFlow) -> None:
        """The same, without a whole answer."""
        super().error(flow)
        self._make_room(flow)

    def _make_room(self, flow: http.HTTPFlow) -> None:
        # mitmdump keeps no flow
        if view := ctx.master.addons.get("view"):
            self._cap.make_room(view, flow)
