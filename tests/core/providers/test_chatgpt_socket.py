"""Which turns go over a WebSocket, and what happens when there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest
import zstandard

from addons.core.limits import Limits
from addons.core.providers.chatgpt import ChatGPTProvider
from addons.core.providers.chatgpt_socket import REFUSED_SECONDS, RefusedUpgrades
from addons.core.routes import Route
from addons.core.settings.root import Transport
from addons.core.turn import Answer, ClientRequest, ClientTransport, Fault, FaultKind, Head, Plan
from tests.core.providers.chatgpt_turns import BODY, CODEX, ORIGIN, Logins, request, sent_request

NO_SOCKET = Fault(FaultKind.UPGRADE, "no", ORIGIN)
FRAME = b'{"type":"response.create","model":"gpt-x","input":[]}'
WARM_UP = b'{"type":"response.create","generate":false,"model":"gpt-x","input":[]}'


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def by_socket(frame: bytes | None = FRAME, **more: object) -> ClientRequest:
    turn = replace(request(method="POST"), transport=ClientTransport.WEBSOCKET, frame=frame)
    return replace(turn, **more).with_model("gpt-x")  # type: ignore[arg-type]


def plan_of(
    turn: ClientRequest,
    transport: Transport = "auto",
    refused: RefusedUpgrades | None = None,
    model: str = "gpt-x",
) -> Plan:
    provider = ChatGPTProvider(
        Logins(), transport=transport, refused_upgrades=refused or RefusedUpgrades(Clock())
    )
    return provider.plan(turn, Route("gpt-x", "X", "chatgpt", model, {}, provider.plan))


@pytest.mark.parametrize(
    ("transport", "from_http", "from_socket"),
    [("auto", None, FRAME), ("http", None, None), ("websocket", b"", FRAME)],
)
def test_setting_decides(
    transport: Transport, from_http: bytes | None, from_socket: bytes | None
) -> None:
    by_post = request(method="POST").with_model("gpt-x")
    assert sent_request(plan_of(by_post, transport).start()).frame == from_http
    assert sent_request(plan_of(by_socket(), transport).start()).frame == from_socket


def test_other_endpoints_and_bodies_that_are_no_object_go_by_http() -> None:
    compact = by_socket(path="/v1/responses/compact")
    for turn in (compact, by_socket(body=b"[]"), by_socket(body=b"")):
        assert sent_request(plan_of(turn, "websocket").start()).frame is None


def test_changed_request_is_written_anew() -> None:
    sent = sent_request(plan_of(by_socket(), model="gpt-y").start())
    assert (sent.frame, sent.body) == (b"", BODY.replace(b"gpt-x", b"gpt-y"))
    assert sent_request(plan_of(by_socket(None)).start()).frame == b""


def test_frame_that_carries_a_credential_is_written_anew() -> None:
    frame = b'{"client_metadata":{"ws_request_header_x_codex_shim_token":"t"}}'
    assert sent_request(plan_of(by_socket(frame)).start()).frame == b""


def test_request_that_is_repaired_is_written_anew() -> None:
    body = b'{"model":"gpt-x","input":[{"type":"reasoning","encrypted_content":"e"}]}'
    plan = plan_of(by_socket(body=body))
    plan.start()
    plan.on_head(Head(400))
    refusal = b'{"error":{"code":"invalid_encrypted_content"}}'
    sent = sent_request(plan.on_body(Head(400), refusal))
    assert (sent.frame, sent.body) == (b"", b'{"model":"gpt-x","input":[]}')


def test_encoded_body_is_sent_plain_and_its_fallback_as_well() -> None:
    coded = (*CODEX, (b"Content-Encoding", b"zstd"))
    packed = zstandard.ZstdCompressor().compress(BODY)
    plan = plan_of(by_socket(body=packed, headers=coded), "websocket")
    for sent in (sent_request(plan.start()), sent_request(plan.on_fault(NO_SOCKET))):
        assert (sent.body, sent.headers[: len(CODEX)]) == (BODY, CODEX)
        assert b"content-encoding" not in {name.lower() for name, _ in sent.headers}


def test_turn_without_a_websocket_goes_by_http_for_a_while() -> None:
    clock = Clock()
    refused = RefusedUpgrades(clock)
    plan = plan_of(by_socket(), refused=refused)
    assert sent_request(plan.start()).frame == FRAME
    assert sent_request(plan.on_fault(NO_SOCKET)).frame is None
    assert sent_request(plan_of(by_socket(), refused=refused).start()).frame is None
    clock.now += REFUSED_SECONDS
    assert sent_request(plan_of(by_socket(), refused=refused).start()).frame == FRAME


def test_other_faults_are_answered() -> None:
    plan = plan_of(by_socket())
    plan.start()
    assert isinstance(plan.on_fault(Fault(FaultKind.RESET, "ended", ORIGIN)), Answer)


@pytest.mark.parametrize("transport", ["auto", "http"])
def test_warm_up_never_goes_by_http(transport: Transport) -> None:
    plan = plan_of(by_socket(WARM_UP), transport)
    step = plan.start()
    if transport == "auto":
        assert sent_request(step).frame == WARM_UP
        step = plan.on_fault(NO_SOCKET)
    assert isinstance(step, Answer)
    assert step.reply.head.status == 200
    assert b"response.completed" in step.reply.body


def test_warm_up_that_would_be_written_anew_is_answered_here() -> None:
    assert isinstance(plan_of(by_socket(WARM_UP), model="gpt-y").start(), Answer)


def test_refused_warm_up_is_not_repaired() -> None:
    body = b'{"model":"gpt-x","input":[{"type":"reasoning","encrypted_content":"e"}]}'
    plan = plan_of(by_socket(WARM_UP, body=body))
    plan.start()
    plan.on_head(Head(400))
    step = plan.on_body(Head(400), b'{"error":{"code":"invalid_encrypted_content"}}')
    assert isinstance(step, Answer)


def test_limit_of_a_body_holds_for_what_is_decoded() -> None:
    coded = (*CODEX, (b"content-encoding", b"zstd"))
    packed = zstandard.ZstdCompressor().compress(b"{" + b" " * (Limits().body_bytes + 1))
    step = plan_of(by_socket(body=packed, headers=coded), "websocket").start()
    assert isinstance(step, Answer)
