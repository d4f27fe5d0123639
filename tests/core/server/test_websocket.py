"""The upgrade is answered with the least that the standard asks for, and a warm-up without any upstream."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from addons.core.headers import REDACTION_LABEL, TOKEN_HEADER_BYTES
from addons.core.secrets import Secret
from addons.core.server.admission import TokenRule
from addons.core.server.websocket import warm_up_plan
from addons.core.turn import Answer, ClientRequest, ClientTransport, Reply, TurnNotes
from tests.core.server.sources import PLANNED, Setup

HANDSHAKE = (
    (b"Connection", b"keep-alive, Upgrade"),
    (b"Upgrade", b"WebSocket"),
    (b"Sec-WebSocket-Version", b"13"),
    (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
)
UPGRADE = ClientRequest("GET", "/v1/responses", HANDSHAKE, b"")
JSON = (b"content-type", b"application/json")
CODEX = (b"originator", b"codex_exec")
RULE = TokenRule(required=True, expected=Secret("right"), path="/state/token")
WARM_UP = b'{"model":"gpt-5.5","generate":false}'
FRAME = ClientRequest(
    "POST", "/v1/responses", (JSON,), WARM_UP, transport=ClientTransport.WEBSOCKET
)


def ask(request: ClientRequest, setup: Setup | None = None) -> Reply:
    step = (setup or Setup()).router.plan(request).start()
    assert isinstance(step, Answer)
    return step.reply


def token(value: str) -> dict[bytes, Secret]:
    return {TOKEN_HEADER_BYTES: Secret(value)}


def without(name: bytes) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(field for field in HANDSHAKE if field[0] != name)


def test_handshake_is_answered_with_nothing_but_its_proof() -> None:
    # the example of RFC 6455, section 1.3
    reply = ask(UPGRADE)
    assert reply.head.status == 101
    assert reply.head.headers == ((b"sec-websocket-accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),)
    assert reply.body == b""


@pytest.mark.parametrize(
    "request_",
    [
        *(replace(UPGRADE, headers=without(name)) for name, _ in HANDSHAKE if name != b"Upgrade"),
        replace(UPGRADE, headers=(*without(b"Sec-WebSocket-Key"), (b"Sec-WebSocket-Key", b"?"))),
        replace(UPGRADE, headers=(*without(b"Sec-WebSocket-Key"), (b"Sec-WebSocket-Key", b"AAAA"))),
        replace(UPGRADE, headers=(*without(b"Sec-WebSocket-Version"), (b"Sec-WebSocket-Version", b"8"))),
        replace(UPGRADE, method="POST"),
        replace(UPGRADE, is_replay=True),
    ],
)  # fmt: skip
def test_anything_else_is_a_426(request_: ClientRequest) -> None:
    reply = ask(request_)
    assert reply.head.status == 426
    assert orjson.loads(reply.body)["error"]["code"] == "websocket_not_spoken"


def test_two_keys_are_a_400() -> None:
    key = (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ==")
    reply = ask(replace(UPGRADE, headers=(*HANDSHAKE, key, CODEX)))
    assert reply.head.status == 400
    assert "more than one sec-websocket-key" in orjson.loads(reply.body)["error"]["message"]


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/2.0"])
def test_upgrade_by_another_version_of_http_is_a_get_like_any_other(version: str) -> None:
    reply = ask(replace(UPGRADE, version=version))
    assert reply.head.status == 405


def test_upgrade_with_a_wrong_and_a_right_token_is_refused() -> None:
    setup = Setup(token=RULE)
    both = {**token("right"), TOKEN_HEADER_BYTES + b"#1": Secret("wrong")}
    assert ask(replace(UPGRADE, credentials=both), setup).head.status == 403
    frame = replace(FRAME, body=b'{"model":"gpt-5.5"}', credentials=both)
    assert ask(frame, setup).head.status == 403


def test_upgrade_needs_the_token_as_each_frame_does() -> None:
    setup = Setup(token=RULE)
    assert ask(replace(UPGRADE, credentials=token("right")), setup).head.status == 101
    assert ask(UPGRADE, setup).head.status == 401
    assert ask(replace(UPGRADE, credentials=token("wrong")), setup).head.status == 403


@pytest.mark.parametrize("credentials", [{}, token("wrong")])
def test_codex_without_the_token_is_sent_to_its_post_which_shows_why(
    credentials: dict[bytes, Secret],
) -> None:
    setup = Setup(token=RULE)
    codex = replace(UPGRADE, headers=(*HANDSHAKE, CODEX), credentials=credentials)
    reply = ask(codex, setup)
    assert reply.head.status == 426
    assert "/state/token" in orjson.loads(reply.body)["error"]["message"]


def test_label_of_a_replay_admits_no_upgrade_and_no_frame() -> None:
    setup, label = Setup(token=RULE), (TOKEN_HEADER_BYTES, REDACTION_LABEL)
    assert ask(replace(UPGRADE, headers=(*HANDSHAKE, label)), setup).head.status == 401
    turn = replace(FRAME, headers=(JSON, label), body=b'{"model":"gpt-5.5"}')
    assert ask(turn, setup).head.status == 401
    assert ask(replace(turn, credentials=token("wrong")), setup).head.status == 403
    assert ask(replace(turn, credentials=token("right")), setup).head.status == PLANNED
    assert ask(replace(turn, transport=ClientTransport.HTTP), setup).head.status == PLANNED


def events(reply: Reply) -> list[dict[str, object]]:
    lines = [line for line in reply.body.split(b"\n") if line.startswith(b"data: ")]
    return [orjson.loads(line.removeprefix(b"data: ")) for line in lines]


@pytest.mark.parametrize(
    "frame",
    [
        FRAME,
        replace(FRAME, body=b'{"generate" : false, "model": "unknown"}'),
        replace(FRAME, transport=ClientTransport.HTTP, is_replay=True),
    ],
)
def test_warm_up_is_created_and_completed_without_a_turn(frame: ClientRequest) -> None:
    setup, frame = Setup(), replace(frame, notes=TurnNotes())
    reply = ask(frame, setup)
    created, completed = events(reply)
    assert (created["type"], completed["type"]) == ("response.created", "response.completed")
    assert isinstance(created["response"], dict)
    assert isinstance(completed["response"], dict)
    assert created["response"]["id"] == completed["response"]["id"]
    assert completed["response"]["status"] == "completed"
    assert not setup.planned.requests
    assert frame.notes.slug == ""


@pytest.mark.parametrize(
    "frame",
    [
        replace(FRAME, body=b'{"model":"gpt-5.5","generate":true}'),
        replace(FRAME, body=b'{"model":"gpt-5.5","input":[{"generate":false}]}'),
        replace(FRAME, body=b'{"generate":false'),
        replace(FRAME, body=b'["generate",{"generate":false}]'),
    ],
)
def test_anything_else_is_no_warm_up(frame: ClientRequest) -> None:
    assert warm_up_plan(frame) is None


def test_request_by_http_is_no_warm_up() -> None:
    setup = Setup()
    ask(replace(FRAME, transport=ClientTransport.HTTP), setup)
    assert len(setup.planned.requests) == 1


def test_warm_ups_of_different_frames_have_different_responses() -> None:
    other = replace(FRAME, body=b'{"model":"gpt-5.5","generate":false,"input":[]}')
    assert events(ask(FRAME))[0]["response"] != events(ask(other))[0]["response"]
    assert events(ask(FRAME)) == events(ask(FRAME))
