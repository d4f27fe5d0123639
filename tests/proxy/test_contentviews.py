"""Our views among mitmproxy's own: chosen for turns, offered for the rest, and never a traceback."""

from __future__ import annotations

import orjson
import pytest
from mitmproxy import contentviews, http
from mitmproxy.test import taddons, tflow

from addons.proxy.contentviews import VIEWS, install, turn_of
from addons.views.record import KEY
from tests.views.samples import RESPONSES_EVENTS, RESPONSES_REQUEST, attempt, metadata, sse

TOLD = sse(RESPONSES_EVENTS)


def turn(path: str = "/v1/responses", told: bytes | None = TOLD) -> http.HTTPFlow:
    flow = tflow.tflow()
    body = orjson.dumps(RESPONSES_REQUEST)
    flow.request = http.Request.make(
        "POST", f"http://127.0.0.1:9{path}", body, http.Headers(content_type="application/json")
    )
    flow.response = http.Response.make(200, b"", {"content-type": "text/event-stream"})
    flow.response.raw_content = told
    flow.metadata[KEY] = metadata(attempt(body, TOLD))
    return flow


def shown(message: http.Message, flow: http.HTTPFlow, view: str = "auto") -> tuple[str | None, str]:
    install()
    with taddons.context():
        result = contentviews.prettify_message(message, flow, view)
    return result.view_name, result.text


async def test_turns_are_shown_by_our_views_without_being_asked() -> None:
    flow = turn()

    name, text = shown(flow.request, flow)
    assert name == "Codex request"
    assert "USER\n  Fix the\n  bug" in text
    assert flow.response
    name, text = shown(flow.response, flow)
    assert name == "Codex turn"
    assert text.startswith("fast → anthropic claude-fake · 200")
    assert "4 · CODEX WAS TOLD" in text


async def test_other_requests_keep_mitmproxys_views() -> None:
    flow = turn("/v1/models")
    assert flow.response
    assert shown(flow.request, flow)[0] == "JSON"
    assert shown(flow.response, flow)[0] == "Raw"


@pytest.mark.parametrize("view", [each.name for each in VIEWS])
async def test_every_view_can_be_chosen_for_anything(view: str) -> None:
    for flow in (turn(), turn("/health", b"\xff\x00"), turn(told=None), tflow.tflow(resp=True)):
        for message in (flow.request, flow.response):
            assert message
            name, text = shown(message, flow, view)
            assert name in {view, None}
            assert "Traceback" not in text


async def test_compressed_body_is_read_decoded() -> None:
    flow = turn()
    flow.request.encode("gzip")

    assert "USER\n  Fix the\n  bug" in shown(flow.request, flow)[1]


async def test_flow_that_somebody_else_wrote_is_shown() -> None:
    flow = turn()
    flow.metadata[KEY] = ["not", {"what": "we"}, "wrote"]

    assert "1 · CODEX ASKED" in shown(flow.request, flow, "Codex turn")[1]


async def test_message_without_a_flow_is_shown() -> None:
    assert turn_of(b"x", contentviews.Metadata()).request == b"x"


async def test_installing_twice_leaves_one_of_each() -> None:
    install()
    install()

    names = contentviews.registry.available_views()
    assert [names.count(view.name.lower()) for view in VIEWS] == [1, 1, 1]
