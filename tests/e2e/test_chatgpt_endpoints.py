"""Web search and images of the real Codex: it calls endpoints other than turns, directly and through codex-shim alike."""

from __future__ import annotations

import base64
import json

import pytest

from tests.e2e.codex_cli import Json, Run
from tests.e2e.installation import PREVIOUS, installed_codex
from tests.e2e.line import Line
from tests.e2e.shim import Shim
from tests.fakes import scenarios
from tests.fakes.account import Account
from tests.fakes.http_messages import Answer, Request
from tests.fakes.tap import Tap

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

LITE = "gpt-5.6-sol"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SEARCH = 'text(await tools.web__run({search_query: [{q: "Grüße"}]}));'
GENERATE = 'await tools.image_gen__imagegen({prompt: "a cat"}); text("drawn");'
FOUND = scenarios.unary({"output": "a page about greetings", "encrypted_output": "e"})
DRAWN = scenarios.unary({"created": 1, "data": [{"b64_json": PNG}]})


def run(line: Line, models: list[Json], script: str, *answers: Answer) -> Run:
    """Run one turn in which the model runs `script`, which calls an endpoint once."""
    entry = next(model for model in models if model["slug"] == LITE)
    catalog = line.user.root / "catalog.json"
    catalog.write_text(json.dumps({"models": [entry]}))
    line.configure(
        LITE,
        settings={"model_catalog_json": str(catalog)},
        requires_openai_auth=True,
        supports_standalone_web_search=True,
    )
    call = {**scenarios.custom_call("exec", script), "namespace": "functions"}
    line.backend.play(scenarios.turn(call), *answers, scenarios.text("done"))
    return line.exec("hello")


def tool_output(request: Request) -> str:
    """The output of the tool in the second request of the turn."""
    return json.dumps(json.loads(request.body)["input"][-1], ensure_ascii=False)


def test_search_reaches_the_backend_and_its_result_the_model(
    line: Line, bundled_models: list[Json]
) -> None:
    done = run(line, bundled_models, SEARCH, FOUND)

    assert done.messages == ["done"]
    (search,) = line.backend.endpoint_requests
    assert search.path.endswith("/alpha/search")
    assert json.loads(search.body)["commands"] == {"search_query": [{"q": "Grüße"}]}
    assert "a page about greetings" in tool_output(line.backend.turns[1])


@pytest.mark.parametrize(
    ("script", "path"),
    [
        (GENERATE, "/images/generations"),
        (GENERATE.replace("}", ', referenced_image_paths: ["PICTURE"]}'), "/images/edits"),
    ],
    ids=["generate", "edit"],
)
def test_images_are_made_and_edited(
    line: Line, bundled_models: list[Json], script: str, path: str
) -> None:
    picture = line.user.workspace / "picture.png"
    picture.write_bytes(base64.b64decode(PNG))
    done = run(line, bundled_models, script.replace("PICTURE", str(picture)), DRAWN)

    assert done.messages == ["done"]
    (request,) = line.backend.endpoint_requests
    assert request.path.endswith(path)
    assert "drawn" in tool_output(line.backend.turns[1])


def test_request_passes_unchanged_but_for_the_login(
    tapped: Line, tap: Tap, account: Account, bundled_models: list[Json]
) -> None:
    run(tapped, bundled_models, SEARCH, FOUND)

    (arrived,) = tapped.backend.endpoint_requests
    (sent,) = (one for one in tap.requests if one.path.endswith("/alpha/search"))
    assert arrived.body == sent.body
    ours = {b"host", b"content-length", b"accept-encoding", b"connection", b"authorization", b"chatgpt-account-id"}  # fmt: skip
    assert [pair for pair in arrived.headers if pair[0].lower() not in ours] == [
        pair for pair in sent.headers if pair[0].lower() not in ours
    ]
    assert arrived.header("authorization") == f"Bearer {account.access_token}"


def test_refusal_is_shown_to_the_model(line: Line, bundled_models: list[Json]) -> None:
    run(line, bundled_models, SEARCH, scenarios.error(429, "usage_limit_reached", "no searches"))

    assert len(line.backend.endpoint_requests) == 1
    assert "no searches" in tool_output(line.backend.turns[1])


def test_page_of_a_gateway_is_explained_to_the_model(
    tapped: Line, bundled_models: list[Json]
) -> None:
    run(tapped, bundled_models, SEARCH, scenarios.html(403, "Just a moment..."))

    assert len(tapped.backend.endpoint_requests) == 1
    assert "cloudflare_challenge" in tool_output(tapped.backend.turns[1])


def test_each_request_is_in_the_access_log(
    tapped: Line, shim: Shim, bundled_models: list[Json]
) -> None:
    run(tapped, bundled_models, SEARCH, FOUND)
    shim.stop()

    log = (tapped.user.state / "access.jsonl").read_text().splitlines()
    lines = [json.loads(line) for line in log]
    assert [line["slug"] for line in lines] == [LITE, "alpha/search", LITE]
    assert len({line["thread"] for line in lines}) == 1
    assert not any("prefix_broke_at" in line for line in lines)


def test_search_of_the_previous_codex_works(tapped: Line, bundled_models: list[Json]) -> None:
    tapped.user.codex = installed_codex(PREVIOUS)

    run(tapped, bundled_models, SEARCH, FOUND)

    assert "a page about greetings" in tool_output(tapped.backend.turns[1])
