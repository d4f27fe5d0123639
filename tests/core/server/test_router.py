"""The router: token, path, method, then the plan of an endpoint or of a route."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.providers.vision import DescriptionPlan
from addons.core.secrets import Secret
from addons.core.server.admission import TokenRule
from addons.core.turn import Answer, ClientRequest, Head, Reply, shim_path
from tests.core.server.sources import JSON, PLANNED, Setup, error

CODEX = (b"originator", b"codex_exec")
TURN = b'{"model":"gpt-5.5","input":"hi"}'


@pytest.mark.parametrize(
    "path", ["/health", "/v1/models", "/v1/models?client_version=1", "/picker"]
)
def test_head_has_the_head_of_get_and_no_body(path: str) -> None:
    setup = Setup()
    head, get = setup.ask("HEAD", path), setup.ask("GET", path)
    assert (head.head, head.body) == (get.head, b"")
    assert get.body


# Paths and methods ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/v1/responses", "/responses"),
        ("/responses", "/responses"),
        ("/v1/responses?x=/v1/y", "/responses"),
        ("/v1/v1/responses", "/v1/responses"),
        ("/v1", "/v1"),
        ("/v1/", "/"),
        ("/v10/responses", "/v10/responses"),
        ("*", "*"),
        ("", ""),
    ],
)
def test_path_is_taken_without_v1_and_query(target: str, path: str) -> None:
    assert shim_path(target) == path


@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v1/", "/v1/chat/completions", "/v1/models/", "/V1/models", "//health",
     "/v1/../health", "/v1/responses/resp_1", "/v1/alpha/searches", "*", "/\udcff", "/\x1b[2J"],
)  # fmt: skip
def test_unknown_path_is_a_404_that_lists_the_served_ones(path: str) -> None:
    reply = Setup().ask("GET", path)
    assert (reply.head.status, error(reply)["code"]) == (404, "not_found")
    assert "It serves /health, /v1/models, /v1/responses, " in error(reply)["message"]
    assert error(reply)["message"].isprintable()


def test_long_path_is_quoted_in_part() -> None:
    assert len(Setup().ask("GET", "/" + "x" * 60_000).body) < 600


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/health", b"GET, HEAD"),
        ("OPTIONS", "/v1/models", b"GET, HEAD"),
        ("GET", "/v1/responses", b"POST"),
        ("HEAD", "/v1/responses", b"POST"),
        ("OPTIONS", "/v1/responses", b"POST"),
        ("DELETE", "/v1/responses/compact", b"POST"),
        ("post", "/v1/responses", b"POST"),
        ("\x1b" * 500, "/v1/responses", b"POST"),
    ],
)
def test_wrong_method_is_a_405_that_names_the_right_one(
    method: str, path: str, allowed: bytes
) -> None:
    reply = Setup().ask(method, path, TURN, JSON)
    assert (reply.head.status, reply.head.header(b"allow")) == (405, allowed)
    assert error(reply)["message"].isprintable()
    assert reply.head.header(b"access-control-allow-origin") is None


@pytest.mark.parametrize("value", [b"websocket", b"WebSocket"])
def test_websocket_is_a_426_which_sends_codex_to_http_at_once(value: bytes) -> None:
    reply = Setup().ask("GET", "/v1/responses", b"", (b"Upgrade", value))
    assert (reply.head.status, error(reply)["code"]) == (426, "websocket_not_spoken")
    assert "supports_websockets = false" in error(reply)["message"]


# Turns ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/responses", "/responses", "/v1/responses/compact"])
@pytest.mark.parametrize("slug", ["gpt-5.5", "old", "secret", "shim-demo"])
def test_turn_is_planned_by_its_route(path: str, slug: str) -> None:
    setup = Setup()
    body = orjson.dumps({"model": slug, "input": []})
    reply = setup.ask("POST", path, body, JSON)
    [(request, route)] = setup.planned.requests
    assert reply.head.status == PLANNED
    assert route.slug == {"old": "gpt-5.5"}.get(slug, slug)
    assert request.body is body


@pytest.mark.parametrize(
    "value", [b"application/json", b"Application/JSON", b"application/json; charset=utf-8"]
)
def test_media_type_of_json_may_have_parameters_and_any_case(value: bytes) -> None:
    assert Setup().post(TURN, (b"Content-Type", value)).head.status == PLANNED


@pytest.mark.parametrize(
    "headers",
    [
        (b"x", b"y"),
        (b"content-type", b""),
        (b"content-type", b"text/plain"),
        (b"content-type", b"text/plain; application/json"),
        (b"content-type", b"application/x-www-form-urlencoded"),
        (b"content-type", b"application/jsonp"),
    ],
)
def test_body_that_a_page_can_post_without_a_preflight_is_refused(
    headers: tuple[bytes, bytes],
) -> None:
    setup = Setup()
    reply = setup.post(TURN, headers)
    assert (reply.head.status, error(reply)["code"]) == (415, "unsupported_media_type")
    assert not setup.planned.requests


def test_unknown_slug_returns_404_with_the_live_ones() -> None:
    reply = Setup().post(b'{"model":"gpt-\\u001b7"}')
    assert (reply.head.status, error(reply)["code"]) == (404, "model_not_found")
    assert "It serves: gpt-5.5, shim-demo." in error(reply)["message"]
    assert error(reply)["message"].isprintable()


def test_key_in_the_place_of_the_model_is_refused_and_not_repeated() -> None:
    reply = Setup().post(b'{"model":"sk-proj-8Hd2Lq7Z1V"}')
    assert (reply.head.status, error(reply)["code"]) == (404, "model_not_found")
    assert "has the form of a key" in error(reply)["message"]
    assert "8Hd2Lq7Zx1Vn5Tb" not in str(reply)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b'{"model":3}', 400),
        (b'{"model":""}', 400),
        (b'{"input":"' + b"x" * 1000 + b'","model":"gpt-5.5"}', 413),
    ],
)
def test_body_without_a_model_is_refused_in_json(body: bytes, status: int) -> None:
    setup = Setup()
    reply = setup.post(body)
    assert reply.head.status == status
    assert error(reply)["message"]
    assert not setup.planned.requests


@given(st.text(), st.text(), st.binary(), st.lists(st.tuples(st.binary(), st.binary())))
def test_router_is_total(
    method: str, path: str, body: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    for target in (path, "/v1/models?" + path, "/v1/responses"):
        for how in (method, "GET", "POST"):
            reply = Setup().ask(how, target, body, JSON, *headers)
            assert reply.head.status in {200, PLANNED, 304, 400, 404, 405, 413, 415, 426}


def test_plan_gets_the_name_that_the_client_asked_for() -> None:
    setup = Setup()
    for name in ("gpt-5.5", "old"):
        setup.post(b'{"input":"hi","model":"%s"}' % name.encode())
    assert [request.model for request, _ in setup.planned.requests] == ["gpt-5.5", "old"]


THREAD = (b"thread-id", b"t1")
MARKS = [
    (b"x-codex-turn-metadata", b'{"request_kind":"title"}'),
    (b"x-openai-subagent", b"guardian"),
    (b"x-openai-subagent", b"collab_spawn"),
    (b"x-openai-memgen-request", b"true"),
]


def used(setup: Setup, *calls: tuple[str, tuple[tuple[bytes, bytes], ...]]) -> list[str]:
    """Return the slugs of the routes that took these calls, in order."""
    router = setup.router
    for slug, headers in calls:
        body = orjson.dumps({"model": slug})
        router.plan(ClientRequest("POST", "/v1/responses", (JSON, *headers), body))
    return [route.slug for _, route in setup.planned.requests]


@pytest.mark.parametrize("slug", ["unknown", "secret"])
@pytest.mark.parametrize("mark", MARKS)
def test_helper_call_for_an_unavailable_slug_goes_to_the_model_of_its_thread(
    slug: str, mark: tuple[bytes, bytes]
) -> None:
    other = (b"thread-id", b"t2")
    calls = [("shim-demo", (THREAD,)), ("gpt-5.5", (other,)), (slug, (THREAD, mark))]
    assert used(Setup(), *calls) == ["shim-demo", "gpt-5.5", "shim-demo"]


def test_user_turn_is_never_moved() -> None:
    setup = Setup(helpers="shim-demo", unavailable="logged out")
    turn = (THREAD, (b"x-codex-turn-metadata", b'{"request_kind":"turn"}'))
    calls = [("shim-demo", (THREAD,)), ("secret", turn), ("gpt-5.5", turn)]
    assert used(setup, *calls) == ["shim-demo", "secret", "gpt-5.5"]


@pytest.mark.parametrize(
    ("setup", "route"),
    [
        (Setup(), "gpt-5.5"),
        (Setup(active="shim-demo"), "shim-demo"),
        (Setup(active=None), "gpt-5.5"),
        (Setup(unavailable="logged out"), "shim-demo"),
        (Setup(helpers="shim-demo"), "shim-demo"),
        (Setup(helpers="nowhere"), "gpt-5.5"),
        (Setup(helpers="secret"), "gpt-5.5"),
        (Setup(own_aliases={"secret": "shim-demo"}), "shim-demo"),
    ],
)
def test_helper_call_of_an_unknown_thread_goes_to_a_live_model(setup: Setup, route: str) -> None:
    assert used(setup, ("secret", (MARKS[3],))) == [route]


def test_helper_call_of_an_unknown_thread_goes_to_the_latest_model_of_the_user() -> None:
    calls = [("shim-demo", (THREAD,)), ("codex-auto-review", ((b"thread-id", b"t2"),))]
    assert used(Setup(), *calls) == ["shim-demo", "shim-demo"]


def test_setting_moves_helper_calls_and_no_sub_agent() -> None:
    setup = Setup(helpers="shim-demo")
    assert used(setup, *[("gpt-5.5", (mark,)) for mark in MARKS]) == [
        "shim-demo", "shim-demo", "gpt-5.5", "shim-demo",
    ]  # fmt: skip


def test_description_is_asked_of_the_model_that_is_named() -> None:
    mark = (b"codex-shim-purpose", b"picture")
    calls = [("gpt-5.5", (THREAD, mark)), ("unknown", (THREAD, mark))]
    assert used(Setup(helpers="shim-demo"), *calls) == ["gpt-5.5"]
    plan = Setup().router.plan(
        ClientRequest("POST", "/v1/responses", (JSON, mark), b'{"model":"gpt-5.5"}')
    )
    assert isinstance(plan, DescriptionPlan)


def test_comparison_asks_the_model_that_is_named_and_says_who_answered() -> None:
    mark = (b"codex-shim-purpose", b"what-if")
    calls = [("gpt-5.5", (THREAD, mark)), ("unknown", (THREAD, mark))]
    assert used(Setup(helpers="shim-demo"), *calls) == ["gpt-5.5"]
    setup = Setup()
    reply = setup.ask("POST", "/v1/responses", b'{"model":"old"}', JSON, mark)
    assert b'"provider": "chatgpt"' in (reply.head.header(b"x-codex-shim-answered") or b"")
    (asked,) = [request.notes for request, _ in setup.planned.requests]
    assert (asked.agent, asked.row) == ("what-if", "gpt-5.5")
    plain = Setup().ask("POST", "/v1/responses", b'{"model":"old"}', JSON)
    assert plain.head.header(b"x-codex-shim-answered") is None


def test_live_helper_call_changes_no_model_of_its_thread() -> None:
    calls = [("shim-demo", (THREAD,)), ("gpt-5.5", (THREAD, MARKS[1])), ("x", (THREAD, MARKS[0]))]
    assert used(Setup(), *calls) == ["shim-demo", "gpt-5.5", "shim-demo"]


@pytest.mark.parametrize(
    ("headers", "agent"), [((), "user"), ((MARKS[1],), "auto-review"), ((MARKS[2],), "sub-agent")]
)
def test_record_names_who_made_the_call(
    headers: tuple[tuple[bytes, bytes], ...], agent: str
) -> None:
    setup = Setup()
    used(setup, ("gpt-5.5", headers))
    assert [request.notes.agent for request, _ in setup.planned.requests] == [agent]


def test_record_names_the_upstream_for_people() -> None:
    setup = Setup()
    used(setup, ("gpt-5.5", ()))
    (notes,) = [request.notes for request, _ in setup.planned.requests]
    assert (notes.route, notes.label) == ("chatgpt", "ChatGPT")


def test_unknown_slug_error_names_the_alias_setting() -> None:
    assert "`aliases`" in str(error(Setup().post(b'{"model":"nowhere"}'))["message"])


# Unknown paths --------------------------------------------------------------------------------------------


def test_unknown_path_of_codex_is_noted_without_its_query() -> None:
    setup = Setup()
    reply = setup.ask("POST", "/v1/alpha/sing?q=private", b"{}", JSON, CODEX)
    assert (reply.head.status, error(reply)["code"]) == (404, "not_found")
    assert "update codex-shim" in error(reply)["message"]
    assert setup.unknown == ["POST /alpha/sing"]


def test_unknown_path_of_another_client_is_not_noted() -> None:
    setup = Setup()
    assert setup.ask("POST", "/v1/chat/completions", b"{}", JSON).head.status == 404
    assert setup.ask("GET", "/v1/responses", b"", CODEX).head.status == 405
    assert setup.unknown == []


def test_wrong_token_is_a_status_outside_of_turns() -> None:
    setup = Setup(token=TokenRule(True, Secret("right"), "/state/token"))
    search = setup.ask("POST", "/v1/alpha/search", b"{}", JSON, CODEX)
    assert (search.head.status, error(search)["code"]) == (401, "local_token_missing")
    turn = setup.ask("POST", "/v1/responses", TURN, JSON, CODEX)
    assert (turn.head.status, b"response.failed" in turn.body) == (200, True)


# Budgets ---------------------------------------------------------------------------------------------------


def test_no_turn_is_checked_without_budgets() -> None:
    setup = Setup(over_budget=Reply(Head(429), b"too much"))
    assert setup.post(TURN).head.status == PLANNED
    assert setup.checked == []


def test_turn_beyond_a_budget_is_not_planned_and_has_no_route() -> None:
    setup = Setup(budgeted=True, over_budget=Reply(Head(429), b"too much"))
    request = ClientRequest("POST", "/v1/responses", (JSON,), TURN)
    step = setup.router.plan(request).start()
    assert isinstance(step, Answer)
    assert step.reply == setup.over_budget
    assert setup.planned.requests == []
    assert (request.notes.slug, request.notes.row, request.notes.route) == ("gpt-5.5", "", "")


def test_turn_within_the_budgets_is_planned_and_a_sub_agent_is_checked_with_its_root() -> None:
    setup = Setup(budgeted=True)
    session, agent = (b"session-id", b"t1"), (b"x-openai-subagent", b"collab_spawn")
    assert setup.post(TURN, JSON, session).head.status == PLANNED
    assert setup.post(TURN, JSON, session, agent).head.status == PLANNED
    assert setup.checked == [("gpt-5.5", ""), ("gpt-5.5", "t1")]
