"""Runs the hooks of a flow at once instead of giving each a task.

mitmproxy gives each hook a task, two rounds of the addon chain and a round of the event loop: a third of a small turn's
CPU time, and most of what a turn waits for before its first delta. Where all addons are known, none of them is a
coroutine and no addon intercepts flows, a call does the same.

Never does: run a hook that an addon may wait in. Invariant: an addon's exception is logged and stops there.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutinefunction

from mitmproxy import http
from mitmproxy.addonmanager import AddonManager, safecall, traverse
from mitmproxy.proxy import commands
from mitmproxy.proxy.layers.http._hooks import (
    HttpErrorHook,
    HttpRequestHeadersHook,
    HttpRequestHook,
    HttpResponseHeadersHook,
    HttpResponseHook,
)

FlowHook = Callable[[http.HTTPFlow], object]
FLOW_HOOKS = (
    HttpRequestHeadersHook,
    HttpRequestHook,
    HttpResponseHeadersHook,
    HttpResponseHook,
    HttpErrorHook,
)


class SyncHookRunner:
    """The flow hooks of a master's addons. Runs none if one of them is a coroutine or an addon has an `update` hook."""

    def __init__(self, addons: AddonManager) -> None:
        self._addons = addons
        self._known: list[object] = []
        self._found: dict[type[commands.StartHook], list[FlowHook]] = {}

    def run(self, command: commands.StartHook) -> bool:
        """Run a hook if it is a flow hook and can be run at once. Return whether it was run."""
        if self._known != self._addons.chain:
            self._look()
        methods = self._found.get(type(command))
        if methods is None or not isinstance(command, FLOW_HOOKS):
            return False
        for method in methods:
            try:
                method(command.flow)
            except Exception:
                # entered only now: it costs more than most hooks
                with safecall():
                    raise
        return True

    def _look(self) -> None:
        self._known = list(self._addons.chain)
        found: dict[type[commands.StartHook], list[FlowHook]] = {
            hook: _methods(self._addons, hook.name) for hook in FLOW_HOOKS
        }
        waits = any(iscoroutinefunction(one) for methods in found.values() for one in methods)
        self._found = {} if waits or _methods(self._addons, "update") else found


def _methods(addons: AddonManager, name: str) -> list[FlowHook]:
    every = traverse(addons.chain)
    return [found for addon in every if callable(found := getattr(addon, name, None))]
