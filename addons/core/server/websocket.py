"""A client's WebSocket: the answer to its upgrade, and to a frame that only warms the connection up.

Source: RFC 6455, section 4.2, and Codex 0.169 and 0.171. Extensions and subprotocols are declined by silence: on
loopback, compression costs more than it saves.

Never does: send more on a 101 than the standard asks for, because Codex reads other headers there as news about its
model. Invariant: a 426 is the only refusal that Codex gets here: it goes on by POST at once, which shows the reason.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

import orjson

from addons.core.errors import SSE_HEADERS, Problem, sse_event
from addons.core.headers import Headers
from addons.core.protocols.responses.emitter import announced_response
from addons.core.server.replies import answer, refuse
from addons.core.turn import ClientRequest, Head, Plan, Reply

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSION = b"13"
_KEY, _KEY_BYTES = b"sec-websocket-key", 16
_TWO_KEYS = (
    "codex-shim refuses this handshake: it has more than one sec-websocket-key. "
    "Check the program that sent it; nothing was opened."
)
_REFUSED = 426
_GENERATE = b'"generate"'
_WARM_UP = re.compile(_GENERATE + rb"\s*:\s*false")


def upgrade_plan(request: ClientRequest, token_problem: Problem | None) -> Plan:
    """Return the plan that switches the connection to a WebSocket, or says why not."""
    if token_problem and request.is_codex:
        # at any other status Codex tries again seven times before its POST shows the message (0.169)
        return refuse(Problem(_REFUSED, token_problem.code, token_problem.message))
    if token_problem:
        return refuse(token_problem)
    if request.is_replay:
        return refuse(_refused("the client of a replayed flow is not there"))
    if sum(name.lower() == _KEY for name, _ in request.headers) > 1:
        return refuse(Problem(400, "bad_request", _TWO_KEYS))
    accept = _accept(request.header(_KEY))
    is_handshake = request.method == "GET" and _names_upgrade(request.headers)
    if not is_handshake or accept is None or request.header(b"sec-websocket-version") != _VERSION:
        return refuse(_refused("the request is not a handshake of version 13"))
    return answer(Reply(Head(101, ((b"sec-websocket-accept", accept),)), b""))


def _names_upgrade(headers: Headers) -> bool:
    named = (value for name, value in headers if name.lower() == b"connection")
    return any(each.strip().lower() == b"upgrade" for each in b",".join(named).split(b","))


def _accept(key: bytes | None) -> bytes | None:
    """Return the value that proves to the client that its key was read; None for a key that is none."""
    try:
        decoded = base64.b64decode(key or b"", validate=True)
    except binascii.Error:
        return None
    if key is None or len(decoded) != _KEY_BYTES:
        return None
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def _refused(reason: str) -> Problem:
    """426 sends Codex to plain HTTP at once; any other status costs it seven tries (Codex 0.169)."""
    return Problem(
        _REFUSED,
        "websocket_not_spoken",
        f"codex-shim does not open a WebSocket here: {reason}. Use POST /v1/responses; "
        "in Codex set supports_websockets = false for this provider.",
    )


def warm_up_plan(request: ClientRequest) -> Plan | None:
    """Return the plan that answers a frame with `generate: false`, or None for any other frame.

    The frame only gives the server a head start. By HTTP the field is unknown: the request would be a turn that is paid
    for. So the replay of such a flow is answered here as well.
    """
    # a pattern takes ten times as long, and nearly no body has the field
    if request.body.find(_GENERATE) < 0 or not _WARM_UP.search(request.body):
        return None
    try:
        payload = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(payload, dict) or payload.get("generate") is not False:
        return None
    return answer(Reply(Head(200, SSE_HEADERS), _warm_up_answer(request.body, payload)))


def _warm_up_answer(body: bytes, payload: dict[str, object]) -> bytes:
    name = f"resp_warm_{hashlib.sha256(body).hexdigest()[:32]}"
    model = payload.get("model")
    response = announced_response(name, 0, model if isinstance(model, str) else "", {})
    created = {"type": "response.created", "sequence_number": 0, "response": response}
    completed = {
        "type": "response.completed",
        "sequence_number": 1,
        "response": {**response, "status": "completed"},
    }
    return sse_event("response.created", created) + sse_event("response.completed", completed)
