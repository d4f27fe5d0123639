"""What an answer shows about its upstream. Read once, after the answer has ended; never part of the stream."""

from __future__ import annotations

from addons.core.json_values import JsonObject, as_object, as_str
from addons.core.protocols.canonical.turns import (
    anthropic_call_id,
    mistral_call_id,
    openai_call_id,
)
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target


def observed_traits(response: JsonObject, target: Target) -> dict[str, str]:
    """Return the traits that a whole response shows: call ids of a form of its own must come back unchanged."""
    output = response.get("output")
    for item in output if isinstance(output, list) else ():
        call_id = as_str(as_object(item).get("call_id"))
        if call_id and _is_rewritten(call_id, target):
            return {"call_ids": "verbatim"}
    return {}


def _is_rewritten(call_id: str, target: Target) -> bool:
    """Return whether the next request would change this id."""
    form = target.profile.call_ids
    if form == "verbatim":
        return False
    if target.protocol is Protocol.MESSAGES:
        return anthropic_call_id(call_id) != call_id
    if form == "mistral":
        return mistral_call_id(call_id) != call_id
    return form == "openai" and openai_call_id(call_id) != call_id
