"""What the list of mitmweb says of a flow that the engine has not, or never, written a comment for."""

from __future__ import annotations

import orjson
import pytest
from mitmproxy import http
from mitmproxy.flow import Error, Flow
from mitmproxy.test import tflow

from addons.core.routes import Route, RouteTable
from addons.core.telemetry.record import FAILED_MARKER, METADATA_KEY
from addons.core.turn import ClientRequest, Plan
from addons.proxy.list_comments import announce, end_unrouted, name_turn, note_held

MAX_BYTES = 1000


def no_plan(request: ClientRequest, route: Route) -> Plan:
    raise AssertionError(request, route)


TABLE = RouteTable.of([Route("known", "Known", "p", "m", {}, no_plan)], {"alias": "known"})


def received(body: bytes, path: str = "/v1/responses", encoding: str = "") -> http.HTTPFlow:
    flow = tflow.tflow()
    flow.request = http.Request.make("POST", f"http://127.0.0.1:9{path}", body)
    if encoding:
        flow.request.headers["content-encoding"] = encoding
    announce(flow)
    return flow


def named(body: bytes, path: str = "/v1/responses") -> str:
    flow = received(body, path)
    name_turn(flow, TABLE, MAX_BYTES)
    return flow.comment


def asks_for(model: object) -> bytes:
    return orjson.dumps({"input": [], "model": model})


def test_request_line_is_shown_before_the_body_has_come() -> None:
    assert received(b"").comment == "POST /v1/responses"
    assert received(b"", "/v1/x?api_key=k1").comment == "POST /v1/x?api_key=<secret>"


@pytest.mark.parametrize("slug", ["known", "alias"])
def test_turn_is_named_by_its_slug_before_it_is_routed(slug: str) -> None:
    assert named(asks_for(slug)) == slug


@pytest.mark.parametrize("body", [asks_for("sk-looks-like-a-key"), asks_for(3), b"no JSON", b""])
def test_model_that_no_route_has_is_not_shown(body: bytes) -> None:
    assert named(body) == "POST /v1/responses"


def test_request_that_is_no_turn_keeps_its_request_line() -> None:
    assert named(asks_for("known"), "/api/switch") == "POST /api/switch"


def test_encoded_body_is_named_too() -> None:
    flow = received(b"", encoding="gzip")
    flow.request.content = asks_for("known")
    assert flow.request.raw_content != flow.request.content
    name_turn(flow, TABLE, MAX_BYTES)
    assert flow.comment == "known"


def test_held_turn_says_so_once_and_one_with_an_answer_does_not() -> None:
    held, answered, running = (received(b"") for _ in range(3))
    held.intercepted = answered.intercepted = True
    answered.response = http.Response.make(200)
    other: list[Flow] = [tflow.ttcpflow()]
    other[0].intercepted = True
    for _ in range(2):
        note_held([held, answered, running, *other])
    assert held.comment == "POST /v1/responses · held"
    assert [one.comment for one in (answered, running, *other)] == ["POST /v1/responses"] * 2 + [""]


@pytest.mark.parametrize(
    ("path", "status", "error", "comment"),
    [
        ("/v1/models", 200, "", "POST /v1/models · 200"),
        ("/v1/models", 399, "", "POST /v1/models · 399"),
        ("/v1/models", 400, "", "🔴 POST /v1/models · 400"),
        ("/api/live", 0, "Client disconnected.", "POST /api/live · no answer"),
        ("/v1/responses", 0, "Client disconnected.", "🔴 POST /v1/responses · no answer"),
        ("/v1/responses", 502, Error.KILLED_MESSAGE, "🔴 POST /v1/responses · killed"),
    ],
)
def test_flow_without_a_record_shows_its_outcome(
    path: str, status: int, error: str, comment: str
) -> None:
    flow = received(b"", path)
    flow.intercepted = True
    note_held([flow])
    flow.response = http.Response.make(status) if status else None
    flow.error = Error(error) if error else None
    end_unrouted(flow)
    assert flow.comment == comment
    assert flow.marked == (FAILED_MARKER if comment.startswith("🔴") else "")


def test_recorded_turn_keeps_the_comment_of_its_record_until_it_is_sent_again() -> None:
    flow = received(b"")
    flow.comment, flow.marked = "fast → big · 200", FAILED_MARKER
    flow.metadata[METADATA_KEY] = {"slug": "fast"}
    end_unrouted(flow)
    assert flow.comment == "fast → big · 200"
    announce(flow)
    assert (flow.comment, flow.marked, flow.metadata) == ("POST /v1/responses", "", {})
