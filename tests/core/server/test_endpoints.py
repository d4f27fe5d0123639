"""The table of endpoints: each path with its methods and its data source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from addons.core.headers import TOKEN_HEADER_BYTES
from addons.core.providers.chatgpt_endpoints import FORWARDED
from addons.core.secrets import Secret
from addons.core.server.admission import TokenRule
from addons.core.server.endpoints import endpoint_table
from addons.core.turn import Answer, ClientRequest, StreamLocal
from tests.core.server.sources import JSON, PLANNED, Collected, Setup, error

DATA_PATHS = (
    "/api/models", "/api/switch", "/api/events", "/api/usage", "/api/turns", "/api/turns/original",
)  # fmt: skip
TOKEN = "a-token-of-22-characters"


def test_every_path_of_the_port_is_in_the_table() -> None:
    setup = Setup()
    table = endpoint_table(setup.data, setup.router.plan, lambda _: False)
    pages = {path for path in table if path.endswith((".css", ".js"))} | {"/picker", "/dashboard"}
    assert set(table) == {
        "/health", "/models", "/responses", "/responses/compact", "/metrics", *DATA_PATHS, *pages, *FORWARDED,
    }  # fmt: skip
    assert len(pages) == 11


def test_turns_are_planned_by_the_function_that_is_given() -> None:
    plan_turn = Setup().router.plan
    table = endpoint_table(Setup().data, plan_turn, lambda _: False)
    turns = {path: one.methods for path, one in table.items() if one.plan == plan_turn}
    assert turns == {"/responses": ("POST",), "/responses/compact": ("POST",)}


async def test_events_are_streamed_as_server_sent_events() -> None:
    head, written = await Setup().streamed("GET", "/api/events")
    assert (head.header(b"content-type"), written) == (b"text/event-stream", b"events")


def test_events_for_too_many_listeners_are_a_503() -> None:
    reply = Setup(listeners_left=0).ask("GET", "/api/events")
    assert (reply.head.status, error(reply)["code"]) == (503, "too_many_listeners")


@pytest.mark.parametrize(
    ("query", "seconds"),
    [("", "604800"), ("?since=24h", "86400"), ("?since=30d", "2.592e+06"), ("?since=x", "604800")],
)
async def test_usage_covers_the_requested_period(query: str, seconds: str) -> None:
    head, written = await Setup().streamed("GET", f"/api/usage{query}")
    assert head.header(b"content-type") == b"application/json"
    assert written == f"usage of {seconds} s".encode()


@pytest.mark.parametrize(
    ("query", "turn"), [("", b"second"), ("?id=ab", b"first"), ("?id=abc", b"first")]
)
async def test_recent_turn_is_found_by_the_start_of_its_id(query: str, turn: bytes) -> None:
    setup = Setup(recent={"abc": "first", "xyz": "second"})
    assert (await setup.streamed("GET", f"/api/turns{query}"))[1] == turn


def test_unknown_recent_turn_is_a_404_with_the_known_ids() -> None:
    reply = Setup(recent={"abc": "first", "xyz": "second"}).ask("GET", "/api/turns?id=nope")
    assert (reply.head.status, error(reply)["code"]) == (404, "no_turn")
    assert "abc, xyz" in error(reply)["message"]


def owned(**values: Mapping[str, str]) -> Setup:
    return Setup(token=TokenRule(True, Secret(TOKEN)), **values)  # type: ignore[arg-type]


async def test_text_of_a_turn_is_given_to_the_owner_of_the_token_alone() -> None:
    setup, path = owned(recent={"abc": "first", "xyz": "second"}), "/api/turns/original?id=ab"
    own = ClientRequest("GET", path, (), b"", {TOKEN_HEADER_BYTES: Secret(TOKEN)})
    step = setup.router.plan(own).start()
    assert isinstance(step, StreamLocal)
    sink = Collected()
    await step.source(sink)
    assert sink.data == b"first"
    for wrong in ({}, {TOKEN_HEADER_BYTES: Secret("another-token-of-22-ch")}):
        answered = setup.router.plan(replace(own, credentials=wrong)).start()
        assert isinstance(answered, Answer)
        assert answered.reply.head.status in {401, 403}
    # without a token every program of the machine could ask
    reply = Setup(recent={"abc": "first"}).ask("GET", path)
    assert (reply.head.status, error(reply)["code"]) == (403, "local_token_missing")
    assert "codex-shim enable" in error(reply)["message"]


def test_original_turn_that_is_not_remembered_is_a_404() -> None:
    setup = owned(recent={"abc": "first"})
    for path, text in (("/api/turns/original?id=no", "abc"), ("/api/turns/original", "too large")):
        request = ClientRequest("GET", path, (), b"", {TOKEN_HEADER_BYTES: Secret(TOKEN)})
        setup.recent = {"abc": "first"} if "id=" in path else {}
        answered = setup.router.plan(request).start()
        assert isinstance(answered, Answer)
        assert (answered.reply.head.status, error(answered.reply)["code"]) == (404, "no_turn")
        assert text in error(answered.reply)["message"]


def test_error_without_a_finished_turn() -> None:
    assert error(Setup().ask("GET", "/api/turns"))["message"].startswith("No turn has ended")


@pytest.mark.parametrize("path", ["/api/events", "/api/usage", "/api/turns", "/api/turns/original"])
def test_streamed_data_takes_no_head(path: str) -> None:
    assert Setup().ask("HEAD", path).head.header(b"allow") == b"GET"


@pytest.mark.parametrize("path", FORWARDED)
def test_endpoint_of_the_backend_is_forwarded(path: str) -> None:
    for target in (path, f"/v1{path}?x=1"):
        reply = Setup().ask("POST", target, b"{}", JSON)
        assert (reply.head.status, reply.body) == (PLANNED, target.encode())
    assert Setup().ask("GET", path).head.status == 405


@pytest.mark.parametrize("kind", [b"text/plain", b"multipart/form-data; boundary=x"])
def test_forwarded_body_must_be_json(kind: bytes) -> None:
    reply = Setup().ask("POST", "/v1/images/edits", b"x", (b"content-type", kind))
    assert (reply.head.status, error(reply)["code"]) == (415, "unsupported_media_type")


def test_metrics_are_text_in_the_format_that_is_asked_for() -> None:
    setup = Setup()
    plain = setup.ask("GET", "/metrics")
    assert plain.head.header(b"content-type") == b"text/plain; version=0.0.4; charset=utf-8"
    assert plain.body.endswith(b"\ncodex_shim_running_turns 3\n")
    asked = (b"accept", b"application/openmetrics-text; version=1.0.0")
    strict = setup.ask("GET", "/metrics", b"", asked)
    assert strict.head.header(b"content-type") == (
        b"application/openmetrics-text; version=1.0.0; charset=utf-8"
    )
    assert strict.body == plain.body + b"# EOF\n"
    assert setup.ask("HEAD", "/metrics").body == b""
    assert setup.ask("POST", "/metrics").head.status == 405
