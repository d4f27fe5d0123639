"""Reads a client's text frame: the request that it means by HTTP, body and headers.

Source: frames of Codex 0.169 and 0.171. A frame is the body of the request by HTTP with three fields more: `type`,
`previous_response_id` and, in a frame that only warms the connection up, `generate: false`. Its `client_metadata` holds
headers of the turn as `ws_request_header_<name with _>`, and those that the request of the connection has from an
earlier turn.

Never does: let a frame set a credential, a Host or a header of the message's framing. Invariant: total; any bytes give a
`FrameRequest` or a `Problem`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import orjson

from addons.core.errors import Problem
from addons.core.headers import CLIENT_CREDENTIALS, HOP_BY_HOP, Headers, bad_name, canonical
from addons.core.json_values import JsonDict, as_object, as_str, loads_exactly
from addons.core.masking.credentials import is_credential
from addons.core.protocols.responses.websocket.affinity import TURN_STATE

CREATE = "response.create"
HEADER_PREFIX = "ws_request_header_"
CLOCK = "x-codex-ws-stream-request-start-ms"
"""When Codex began to send the frame. By HTTP it sends no such field."""
OWN_HEADERS = ("x-codex-turn-metadata", "x-codex-window-id")
"""Fields of `client_metadata` that are headers of the turn by HTTP."""
_ALLOWED = frozenset({b"traceparent", b"tracestate", b"openai-beta"})
_FAMILIES = (b"x-codex-", b"x-openai-", b"x-responsesapi-")
_RESERVED = b"x-codex-shim-"
MAX_HEADER_BYTES = 16 * 1024
MAX_HEADERS = 32

_OF_CONNECTION = HOP_BY_HOP | {
    b"accept",
    b"accept-encoding",
    b"content-encoding",
    b"content-length",
    b"content-type",
    b"openai-beta",
}
"""Headers of the upgrade that say nothing about a turn."""
_OF_TURN = frozenset({b"x-codex-turn-metadata", TURN_STATE})
"""Headers of the upgrade that are those of an earlier turn for most frames."""
_HANDSHAKE = b"sec-websocket-"


class Frame(NamedTuple):
    """A text frame of a client that asks for a turn."""

    text: bytes
    """As it came."""
    body: bytes
    """The body of the request that it means, with the whole history."""


@dataclass(slots=True)
class FrameRequest:
    """What one frame asks for."""

    payload: JsonDict
    """The body by HTTP, but for `previous_response_id`."""
    previous: str | None
    """The response that `input` continues; None when `input` is the whole history."""
    headers: Headers
    """Headers of this turn alone."""

    @property
    def turn_id(self) -> str:
        """Codex's id of the turn, which may take several requests; empty if there is none."""
        return as_str(as_object(self.payload.get("client_metadata")).get("turn_id"))

    @property
    def may_be_stored(self) -> bool:
        """Whether the client counts on a server that stores its responses. Codex never does."""
        return self.payload.get("store") is not False


def read_frame(text: bytes) -> FrameRequest | Problem:
    """Read one text frame. The Problem has a status for `error_frame`."""
    try:
        payload = loads_exactly(text)
    except orjson.JSONDecodeError:
        return _refusal("it is not valid JSON")
    if not isinstance(payload, dict):
        return _refusal("it is JSON, but not an object")
    kind = payload.pop("type", None)
    if kind != CREATE:
        shown = ascii(kind)[:60] if isinstance(kind, str) else "missing"
        return _refusal(f'its "type" is {shown}, not "{CREATE}"')
    previous = payload.pop("previous_response_id", None)
    if not (previous is None or isinstance(previous, str)):
        return _refusal('its "previous_response_id" is not a string')
    payload["stream"] = True
    if payload.get("generate") is not False:
        payload.pop("generate", None)
    return FrameRequest(payload, previous, _take_headers(payload))


def _take_headers(payload: JsonDict) -> Headers:
    """Take the fields out of the metadata that the body has not by HTTP, and return the headers of the turn."""
    metadata = payload.get("client_metadata")
    if not isinstance(metadata, dict):
        return ()
    fields = {name: metadata[name] for name in OWN_HEADERS if name in metadata}
    for name in [name for name in metadata if name.startswith(HEADER_PREFIX)]:
        fields[name.removeprefix(HEADER_PREFIX).replace("_", "-").lower()] = metadata.pop(name)
    metadata.pop(CLOCK, None)
    encoded = (
        (name.encode("utf-8", "replace"), value.encode("utf-8", "replace"))
        for name, value in fields.items()
        if isinstance(value, str)
    )
    return tuple([one for one in encoded if _is_allowed(*one)][:MAX_HEADERS])


def _is_allowed(name: bytes, value: bytes) -> bool:
    """Return whether a frame may set a header. `name` is in lower case and has no `_`."""
    is_named = name in _ALLOWED or (name.startswith(_FAMILIES) and not name.startswith(_RESERVED))
    is_safe = name not in CLIENT_CREDENTIALS and not is_credential(name, value)
    return (
        is_named
        and is_safe
        and len(value) <= MAX_HEADER_BYTES
        and bad_name([(name, value)]) is None
    )


def inherited_headers(upgrade: Headers) -> Headers:
    """Return the headers of an upgrade that each turn of its connection has by HTTP, unless its frame sets them."""
    return tuple(field for field in upgrade if _belongs_to_turn(canonical(field[0])))


def turn_headers(inherited: Headers, turn: Headers, length: int) -> Headers:
    """Return the headers of a turn by HTTP: those of its connection, and those of its frame instead."""
    if turn:
        own = {name for name, _ in turn}
        inherited = tuple(field for field in inherited if canonical(field[0]) not in own)
    return (
        *inherited,
        *turn,
        (b"accept", b"text/event-stream"),
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % length),
    )


def _belongs_to_turn(name: bytes) -> bool:
    return not (name in _OF_TURN or name in _OF_CONNECTION or name.startswith(_HANDSHAKE))


def too_deep() -> Problem:
    """Return the problem of a frame that can be read and not be written again."""
    return _refusal("it is nested too deeply")


def _refusal(reason: str) -> Problem:
    return Problem(
        422,
        "invalid_frame",
        f"codex-shim could not use this WebSocket frame: {reason}. Send one `{CREATE}` object as a text frame. "
        "Nothing was sent on.",
        "invalid_request_error",
    )
