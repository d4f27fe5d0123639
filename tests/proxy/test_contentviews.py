"""The content views: automatic for turns, available for other flows, and never a traceback."""

from __future__ import annotations

import orjson
import pytest
from mitmproxy import contentviews, http
from mitmproxy.test import taddons, tflow

from addons.core.telemetry.record import METADATA_KEY
from addons.proxy.contentviews import VIEWS, install, turn_of
from tests.views.samples import RESPONSES_EVENTS, RESPONSES_REQUEST, attempt, metadata, sse

ANSWER = sse(RESPONSES_EVENTS)


def turn(path: str = "/v1/responses", answer: bytes | None = ANSWER) -> http.HTTPFlow:
    flow = tflow.tflow()
    body = orjson.dumps(RESPONSES_REQUEST)
    flow.request = http.Request.make(
        "POST", f"http://127.0.0.1:9{path}", body, http.Headers(content_type="application/json")
    )
    flow.response = http.Response.make(200, b"", {"content-type": "text/event-stream"})
    flow.response.raw_content = answer
    flow.metadata[METADATA_KEY] = metadata(attempt(body, ANSWER))
    return flow


def shown(message: http.Message, flow: http.HTTPFlow, view: str = "auto") -> tuple[str | None, str]:
    install()
    with taddons.context():
        result = contentviews.prettify_message(message, flow, view)
    return result.view_name, result.text


async def test_turns_are_shown_by_the_views_automatically() -> None:
    flow = turn()

    name, text = shown(flow.request, flow)
    assert name == "Codex request"
    assert "USER\n  Fix the\n  bug" in text
    assert flow.response
    name, text = shown(flow.response, flow)
    assert name == "Codex turn"
    assert text.startswith("fast → anthropic claude-fake · 200")
    assert "4 · RESPONSE TO CODEX" in text


async def test_search_is_shown_by_the_views_automatically() -> None:
    flow = turn("/v1/alpha/search")
    flow.request.content = b'{"model":"gpt-5.5","commands":{"search_query":[{"q":"Paris"}]}}'
    assert flow.response
    flow.response.content = b'{"output":"a city"}'

    name, text = shown(flow.request, flow)
    assert name == "Codex request"
    assert 'commands: {"search_query":[{"q":"Paris"}]}' in text
    name, text = shown(flow.response, flow)
    assert name == "Codex turn"
    assert "output: a city" in text


async def test_other_requests_keep_mitmproxys_views() -> None:
    flow = turn("/v1/models")
    assert flow.response
    assert shown(flow.request, flow)[0] == "JSON"
    assert shown(flow.response, flow)[0] == "Raw"


@pytest.mark.parametrize("view", [each.name for each in VIEWS])
async def test_every_view_can_be_selected_for_any_flow(view: str) -> None:
    for flow in (
        turn(),
        turn("/health", b"\xff\x00"),
        turn(answer=None),
        tflow.tflow(resp=True),
    ):
        for message in (flow.request, flow.response):
            assert message
            name, text = shown(message, flow, view)
            assert name in {view, None}
            assert "Traceback" not in text


async def test_compressed_body_is_read_decoded() -> None:
    flow = turn()
    flow.request.encode("gzip")

    assert "USER\n  Fix the\n  bug" in shown(flow.request, flow)[1]


async def test_flow_with_foreign_metadata_is_shown() -> None:
    flow = turn()
    flow.metadata[METADATA_KEY] = ["not", {"a": "record"}]

    assert "1 · REQUEST FROM CODEX" in shown(flow.request, flow, "Codex turn")[1]


async def test_message_without_a_flow_is_shown() -> None:
    assert turn_of(b"x", contentviews.Metadata()).request == b"x"


async def test_installing_twice_leaves_one_of_each() -> None:
    install()
    install()

    names = contentviews.registry.available_views()
    assert [names.count(view.name.lower()) for view in VIEWS] == [1, 1, 1]
