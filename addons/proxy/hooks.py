"""The option that names hooks, and the engine that has them.

Never does: import a user's file while the option is empty. Invariant: a hook that cannot be loaded refuses the option, and the
hooks before it stay.
"""

from __future__ import annotations

from collections.abc import Sequence

from mitmproxy import exceptions

from addons.adapters.hooks.loader import HookLoadError, load_hooks
from addons.adapters.hooks.turns import HookedTurns
from addons.core.hooks.chain import Hook
from addons.proxy.engine.engine import Engine
from addons.proxy.engine.hooked_stream import HookedStream


def hooks_named(names: Sequence[str]) -> tuple[Hook, ...]:
    """Load the hooks of the option. Raises OptionsError."""
    try:
        return load_hooks(names)
    except HookLoadError as error:
        msg = f"{error}, then start codex-shim again."
        raise exceptions.OptionsError(msg) from None


def start_hooks(hooks: Sequence[Hook], engine: Engine) -> HookedTurns | None:
    """Let the streams of an engine have hooks. Return what makes the plans of their turns; None without hooks."""
    engine.stream_type = HookedStream if hooks else None
    return HookedTurns(hooks, lambda: engine.limits) if hooks else None
