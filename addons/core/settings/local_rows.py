"""Which rows of models.json use a model server on this machine, and what its state changes about their targets.

Never asks a server. Invariant: only a loopback address is a server on this machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from addons.core.settings.presets import GENERIC, OLLAMA_MARKS, preset_for
from addons.core.settings.row import ModelRow
from addons.core.upstream.local.lists import KINDS
from addons.core.upstream.local.state import LocalFacts, LocalServer
from addons.core.upstream.target import Target


def server_of(row: ModelRow) -> LocalServer | None:
    """Return the server of a row; None if its upstream is elsewhere, or another program."""
    target = row.target
    if target is None or not target.origin.is_loopback or target.origin.scheme != "http":
        return None
    kind = preset_for(row.provider).name
    if kind == GENERIC and any(mark in target.origin.authority for mark in OLLAMA_MARKS):
        kind = "ollama"
    return LocalServer(kind, target.origin) if kind in KINDS else None


def servers_of(rows: Sequence[ModelRow]) -> Mapping[LocalServer, frozenset[str]]:
    """Return each server of these rows with the models that they name."""
    found: dict[LocalServer, frozenset[str]] = {}
    for row in rows:
        server = server_of(row)
        if server and not row.unavailable_reason:
            found[server] = found.get(server, frozenset()) | {row.model}
    return found


def current_target(row: ModelRow, target: Target, facts: LocalFacts) -> Target:
    """Return the target of a row as its server is now.

    A context of the row holds as far as the server gives that much: Ollama cuts the beginning of what is longer, and says
    nothing. What the server gives replaces a guess.
    """
    context = target.context_tokens
    if facts.context:
        context = min(context, facts.context) if row.states_context else facts.context
    elif facts.limit:
        context = min(context, facts.limit)
    images = target.images and facts.images is not False
    if (context, images) == (target.context_tokens, target.images):
        return target
    return replace(target, context_tokens=context, images=images)
