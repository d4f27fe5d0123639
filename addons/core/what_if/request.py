"""The request that asks another model the same: the recorded body with another model, and headers of its own.

Never does: continue the thread of the recorded turn, store an answer at an upstream, offer a tool that acts on a server
of its own. Invariant: all else in the body is as it was recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import orjson

from addons.core.codex.threads import ID_HEADERS, PURPOSE, WHAT_IF
from addons.core.headers import Headers
from addons.core.json_values import JsonDict, as_object, as_str, loads_exactly
from addons.core.what_if.original import Original

ACTS_REMOTELY = "mcp"
"""The type of the tool with which an upstream calls a server by itself."""
RUN_FIELDS = ("client_metadata", "generate", "background")
"""What names the run of a request, or asks for something else than an answer now."""


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
    _take_out_remote_tools(body, changed)
    _fit_effort(body, entry, changed)
    headers = (
        (b"content-type", b"application/json"),
        (b"accept", b"text/event-stream"),
        (PURPOSE, WHAT_IF.encode()),
        *((name, thread.encode()) for name in ID_HEADERS),
        *original.headers,
    )
    return WhatIfRequest(headers, orjson.dumps(body), tuple(changed))


def _take_out_remote_tools(body: JsonDict, changed: list[str]) -> None:
    tools = body.get("tools")
    if not isinstance(tools, list):
        return
    kept = [tool for tool in tools if as_object(tool).get("type") != ACTS_REMOTELY]
    if len(kept) != len(tools):
        body["tools"] = kept
        changed.append("without the tools of remote MCP servers, which the upstream would run")


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
