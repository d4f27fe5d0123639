"""What is known of a request: admission, size, and the request that a plan gets."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import cast

import pytest
from mitmproxy import http
from mitmproxy.options import Options
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import Paused
from mitmproxy.test import tflow

from addons.core.errors import Problem
from addons.core.protocols.responses.websocket.request import Frame
from addons.core.telemetry.record import TurnRecord
from addons.core.turn import ClientTransport
from addons.proxy.engine.request_side import (
    NOT_ADMITTED,
    Admission,
    RequestSide,
    RequestStream,
    too_large,
)
from addons.proxy.engine.states import ClientEvent
from tests.support.engine import QUICK

REFUSAL = Problem(403, "code", "text")


def side(body_bytes: int = 10) -> RequestSide:
    return RequestSide(replace(QUICK, body_bytes=body_bytes))


def request(*fields: tuple[bytes, bytes]) -> http.Request:
    made = http.Request.make("POST", "http://x/path?q=1", b"body")
    made.headers = http.Headers(fields)
    return made


@pytest.mark.parametrize(
    ("admission", "refusal", "objection"),
    [
        (Admission.NONE, None, NOT_ADMITTED),
        (Admission.NONE, REFUSAL, REFUSAL),
        (Admission.HEAD, REFUSAL, REFUSAL),
        (Admission.HEAD, None, None),
        (Admission.WHOLE, None, None),
    ],
)
def test_only_a_finished_hook_without_a_refusal_admits(
    admission: Admission, refusal: Problem | None, objection: object
) -> None:
    one = side()
    one.admission, one.refusal = admission, refusal
    assert one.objection() is objection
    assert one.is_admitted is (admission is Admission.WHOLE)


@pytest.mark.parametrize(
    ("length", "received", "expected"),
    [(b"10", 0, False), (b"11", 0, True), (b"11", 10, False), (b"1", 11, True), (b"x", 0, False)],
)
def test_body_is_too_large_by_its_length_or_by_what_came(
    length: bytes, received: int, expected: bool
) -> None:
    one = side()
    one.received = received
    assert one.is_too_large(request((b"content-length", length))) is expected


def test_sender_floods_beyond_twice_the_limit() -> None:
    one = side()
    one.keep(b"x" * 20)
    assert not one.is_flooding
    one.keep(b"x")
    assert one.is_flooding


def test_body_is_what_came_part_by_part_and_a_single_part_is_not_copied() -> None:
    one, part = side(), b"x" * 1000
    one.keep(part)
    assert one.take_body() is part
    for some in (b"a", b"", b"bc"):
        one.keep(some)
    assert (one.take_body(), one.take_body()) == (b"abc", b"")


def test_body_that_comes_byte_by_byte_takes_little_more_than_its_size() -> None:
    one, size = side(), 50_000
    tracemalloc.start()
    try:
        for number in range(size):
            one.keep(bytes([number % 251]))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 2 * size
    assert one.take_body() == bytes(number % 251 for number in range(size))


def test_part_is_taken_only_while_its_stream_waits_for_the_body() -> None:
    stream = RequestStream(Context(tflow.tclient_conn(), Options()), 1, QUICK)
    assert not stream.take_part(b"a")
    stream.client_state = stream.state_consume_request_body
    assert stream.take_part(b"b")
    stream._paused = cast("Paused", "a hook")
    assert not stream.take_part(b"c")
    stream._paused = None
    assert stream.take_part(b"d")
    stream.state.on_client(ClientEvent.END_BEGUN)
    assert not stream.take_part(b"e")
    assert stream.request_side.take_body() == b"bd"


def test_plan_gets_what_the_flow_holds() -> None:
    one, record = side(), TurnRecord()
    made = one.client_request(request((b"X-A", b"1")), record)
    assert (made.method, made.path, made.body) == ("POST", "/path?q=1", b"body")
    assert made.headers == ((b"X-A", b"1"),)
    assert made.notes is record


def test_plan_gets_the_frame_until_an_edit_changes_what_it_means() -> None:
    one, flow_request = side(), request()
    assert one.client_request(flow_request, TurnRecord()).transport is ClientTransport.HTTP
    one.frame = Frame(b"the frame", b"body")
    made = one.client_request(flow_request, TurnRecord(replay=True))
    assert (made.transport, made.frame) == (ClientTransport.WEBSOCKET, b"the frame")
    assert made.is_replay
    flow_request.content = b"edited"
    edited = one.client_request(flow_request, TurnRecord())
    assert (edited.transport, edited.frame) == (ClientTransport.WEBSOCKET, None)


def test_refusal_of_a_large_body_names_the_limit() -> None:
    assert "1,000 bytes" in too_large(1000).message
