"""The addon as a script of mitmdump or mitmweb: if the shim cannot start, the process ends at once, with a sentence.

mitmproxy alone would log a traceback and go on without the shim: its listener is open already, and a client's login
would be in its flows. Invariant: no client is served after a refused start; once the shim serves, a refused option is an
OptionsError and the process goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mitmproxy import command, ctx, exceptions, hooks, http
from mitmproxy import flow as mitmproxy_flow
from mitmproxy.addonmanager import Loader

from addons.adapters.system.umask import set_private_umask
from addons.proxy import contentviews, list_comments, list_style
from addons.proxy.addon import CodexShim, fail_closed
from addons.proxy.engine.compat import (
    IncompatibleMitmproxyError,
    end_process,
    explain_start_failure,
)
from addons.proxy.flow_cap import MAX_BYTES, MAX_FLOWS, FlowCap

KEEP_FLOWS = "codex_shim_keep_flows"
KEEP_BYTES = "codex_shim_keep_bytes"


@contextmanager
def _ends_process() -> Iterator[None]:
    """End the process with a sentence if the code inside raises. mitmproxy would log a traceback and go on."""
    try:
        with explain_start_failure():
            yield
    except (IncompatibleMitmproxyError, OSError) as error:
        end_process(str(error))


class ScriptedShim(CodexShim):
    """CodexShim behind `mitmdump -s` and `mitmweb -s`."""

    _serves = False
    _cap = FlowCap()

    def load(self, loader: Loader) -> None:
        """Register the views and the caps. Files of mitmproxy, such as -w files, become private: they hold conversations."""
        set_private_umask()
        with _ends_process():
            contentviews.install()
            loader.add_option(
                KEEP_FLOWS, int, MAX_FLOWS, "How many finished flows are kept for the views."
            )
            loader.add_option(
                KEEP_BYTES,
                int,
                MAX_BYTES,
                "How many bytes of finished flows are kept for the views.",
            )
            super().load(loader)

    def configure(self, updated: set[str]) -> None:
        """Apply changed options. During start-up a refused option ends the process with exit code 1."""
        if updated & {KEEP_FLOWS, KEEP_BYTES}:
            self._cap = FlowCap(getattr(ctx.options, KEEP_FLOWS), getattr(ctx.options, KEEP_BYTES))
        if self._serves:
            super().configure(updated)
        elif refusal := self._refusal_at_start(updated):
            end_process(refusal)

    def _refusal_at_start(self, updated: set[str]) -> str:
        """Apply the options. Return why the shim cannot start with them, or nothing."""
        with _ends_process():
            try:
                super().configure(updated)
            except exceptions.OptionsError as error:
                return str(error)
        return ""

    def running(self) -> None:
        """Note the end of the start-up, and start the background tasks."""
        self._serves = True
        with _ends_process():
            super().running()
        self.engine.on_progress = _show_again
        list_style.install(ctx.master)

    @fail_closed
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Admit or refuse the request by its head alone. The list shows the flow from now on."""
        list_comments.announce(flow)
        super().requestheaders(flow)

    @fail_closed
    def request(self, flow: http.HTTPFlow) -> None:
        """Let the complete request go on, unless the user holds it."""
        list_comments.name_turn(flow, self.sources.table(), self.engine.limits.body_bytes)
        super().request(flow)

    def update(self, flows: Sequence[mitmproxy_flow.Flow]) -> None:
        """Say which flows are held. mitmproxy calls this hook after each of the others."""
        list_comments.note_held(flows)

    @fail_closed
    def response(self, flow: http.HTTPFlow) -> None:
        """Remember the turn that has ended, and remove old flows from the view."""
        list_comments.end_unrouted(flow)
        super().response(flow)
        self._make_room(flow)

    @fail_closed
    def error(self, flow: http.HTTPFlow) -> None:
        """Remember the turn that has ended without a complete answer, and remove old flows from the view."""
        list_comments.end_unrouted(flow)
        super().error(flow)
        self._make_room(flow)

    # mitmweb runs no command whose name has other characters than letters and dots
    @command.command("codexshim.whatif")  # type: ignore[untyped-decorator]
    def what_if(self, flows: Sequence[mitmproxy_flow.Flow], *slugs: str) -> str:
        """Ask other models the same as one turn, side by side. No tool is run. The answers come as flows and as a page."""
        # only a comparison needs it
        from addons.proxy.what_if import Comparison  # noqa: PLC0415

        comparison = Comparison(self._env, self.sources, lambda: self.parts.address)
        return f"The page will be {comparison.begin(flows, slugs)}"

    def _make_room(self, flow: http.HTTPFlow) -> None:
        # mitmdump has no view.
        if view := ctx.master.addons.get("view"):
            self._cap.make_room(view, flow)


def _show_again(flow: http.HTTPFlow) -> None:
    """Let the views show a flow as it is now."""
    ctx.master.addons.trigger(hooks.UpdateHook([flow]))
