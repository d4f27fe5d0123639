"""The addon as a script of a mitmproxy that the user started: what cannot start ends the process in plain words.

mitmproxy would log a traceback and, with bad luck, go on without the shim. Invariant: once it serves, a refused option
is an OptionsError and the process lives.
"""

from __future__ import annotations

from mitmproxy import exceptions
from mitmproxy.addonmanager import Loader

from addons.origins.umask import write_for_owner_only
from addons.proxy import contentviews
from addons.proxy.addon import CodexShim


class ScriptedShim(CodexShim):
    """CodexShim behind `mitmdump -s` and `mitmweb -s`."""

    _serves = False

    def load(self, loader: Loader) -> None:
        """Offer our views; keep what mitmproxy writes, such as -w files, to this user: it holds whole conversations."""
        write_for_owner_only()
        contentviews.install()
        super().load(loader)

    def configure(self, updated: set[str]) -> None:
        """Refuse what CodexShim refuses; during start-up by ending the process with exit code 1."""
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
