"""The request that asks another model the same: the recorded body with another model, and headers of its own.

Never does: continue the thread of the recorded turn, store an answer at an upstream, offer a tool that the upstream or this
program would run. Invariant: all else in the body is as it was recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import orjson

from addons.core.codex.threads import ID_HEADERS, PURPOSE, WHAT_IF
from addons.core.headers import Headers
from addons.core.json_values import JsonDict, JsonObject, as_object, as_str, loads_exactly
from addons.core.protocols.responses.request import TOOL_CARRIERS
from addons.core.turn import printable
from addons.core.upstream.repair_items import CLIENT_TOOLS
from addons.core.what_if.original import Original

SHOWN_TOOLS = CLIENT_TOOLS | {"computer", "computer_use", "computer_use_preview"}
"""Types of tools whose calls the client would run. Any other may be one that the upstream runs."""
RUN_FIELDS = ("client_metadata", "generate", "background", "conversation")
"""What names the run of a request, asks for something else than an answer now, or would add the answer to what is stored."""


class WhatIfRequest(NamedTuple):
    """One request."""

    headers: Headers
    body: bytes
    changed: tuple[str, ...]
    """What differs from the recorded request, apart from the model."""


def what_if_request(
    original: Original, slug: str, entry: Mapping[str, object], thread: str
) -> WhatIfRequest:
    """Return the request for a model with this catalog entry. `thread` is the id of the comparison."""
    payload = as_object(loads_exactly(original.body))
    body: JsonDict = {name: one for name, one in payload.items() if name not in RUN_FIELDS}
    body |= {"model": slug, "stream": True, "store": False}
    changed: list[str] = []
    _take_out_run_tools(body, changed)
    _fit_effort(body, entry, changed)
    headers = (
        (b"content-type", b"application/json"),
        (b"accept", b"text/event-stream"),
        (PURPOSE, WHAT_IF.encode()),
        *((name, thread.encode()) for name in ID_HEADERS),
        *original.headers,
    )
    return WhatIfRequest(headers, orjson.dumps(body), tuple(changed))


def _take_out_run_tools(body: JsonDict, changed: list[str]) -> None:
    """Leave out the tools that would be run, those that came with an item of the thread included."""
    out: list[str] = []
    items = body.get("input")
    if isinstance(items, list):
        body["input"] = [
            _without_run_tools(item, out) if as_object(item).get("type") in TOOL_CARRIERS else item
            for item in items
        ]
    body |= _without_run_tools(body, out)
    if out:
        changed.append(f"without tools that would be run: {', '.join(dict.fromkeys(out))}")
        _free_choice(body)


def _without_run_tools(carrier: JsonObject, out: list[str]) -> JsonDict:
    tools = carrier.get("tools")
    if not isinstance(tools, list):
        return dict(carrier)
    out += [_kind(tool) for tool in tools if not _is_shown(tool)]
    return {**carrier, "tools": [tool for tool in tools if _is_shown(tool)]}


def _is_shown(tool: object) -> bool:
    fields = as_object(tool)
    place = as_str(as_object(fields.get("environment")).get("type"))
    return as_str(fields.get("type")) in SHOWN_TOOLS and not place.startswith("container")


def _kind(tool: object) -> str:
    return printable(as_str(as_object(tool).get("type"))) or "a tool without a type"


def _free_choice(body: JsonDict) -> None:
    """Let the model choose where it had to take a tool that is left out, which would be refused."""
    choice, allowed = body.get("tool_choice"), as_object(body.get("tool_choice")).get("tools")
    if isinstance(allowed, list):
        kept = [tool for tool in allowed if _is_shown(tool)]
        body["tool_choice"] = {**as_object(choice), "tools": kept} if kept else "auto"
    elif (isinstance(choice, dict) and not _is_shown(choice)) or (
        choice == "required" and not body.get("tools")
    ):
        body["tool_choice"] = "auto"


def _fit_effort(body: JsonDict, entry: Mapping[str, object], changed: list[str]) -> None:
    """Replace a reasoning effort that the model does not offer, as Codex does when the model is changed."""
    reasoning = as_object(body.get("reasoning"))
    asked = as_str(reasoning.get("effort"))
    listed = entry.get("supported_reasoning_levels")
    levels = [as_str(as_object(one).get("effort")) for one in listed] if isinstance(listed, list) else []  # fmt: skip
    if not asked or not levels or asked in levels:
        return
    effort = as_str(entry.get("default_reasoning_level")) or levels[-1]
    body["reasoning"] = {**reasoning, "effort": effort}
    changed.append(f"reasoning effort {effort} in place of {asked}, which it does not offer")
