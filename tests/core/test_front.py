from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.front import AnswerPlan, Endpoint, ShimFront, Status, matches_etag, shim_path
from addons.core.routes import Route, RouteTable
from addons.core.turn import Answer, ClientRequest, Fault, FaultKind, Head, Plan, Reply

JSON = (b"content-type", b"application/json")
STATUS = Status("1.2.3", 42, 61.26, 3, {"chatgpt": "logged out"}, ("models.json: broken",))
TURN = b'{"model":"gpt-5.5","input":"hi"}'


@dataclass
class Planned:
    """What a route was asked to plan."""

    requests: list[tuple[ClientRequest, Route]] = field(default_factory=list)

    def plan(self, request: ClientRequest, route: Route) -> Plan:
        self.requests.append((request, route))
        return AnswerPlan(Reply(Head(299), route.model.encode()))


@dataclass
class Setup:
    planned: Planned = field(default_factory=Planned)
    etag: str | None = None
    cap: int = 1000
    hidden: str = ""

    @property
    def front(self) -> ShimFront:
        routes = [
            self.route("gpt-5.5", hidden=self.hidden),
            self.route("secret", hidden="off"),
            self.route("shim-demo", "demo"),
        ]
        table = RouteTable.of(routes, {"old": "gpt-5.5"})
        return ShimFront(lambda: table, lambda: STATUS, lambda: self.cap, lambda: self.etag)

    def route(self, slug: str, provider: str = "chatgpt", hidden: str = "") -> Route:
        entry = {"slug": slug, "extra": {"kept": [1, None]}}
        return Route(slug, slug, provider, slug, entry, self.planned.plan, hidden)

    def ask(
        self, method: str, path: str, body: bytes = b"", *headers: tuple[bytes, bytes]
    ) -> Reply:
        step = self.front.plan(ClientRequest(method, path, headers, body)).start()
        assert isinstance(step, Answer)
        return step.reply

    def post(self, body: bytes, *headers: tuple[bytes, bytes]) -> Reply:
        return self.ask("POST", "/v1/responses", body, *(headers or (JSON,)))


def error(reply: Reply) -> Mapping[str, str]:
    assert reply.head.header(b"content-type") == b"application/json"
    told: Mapping[str, str] = orjson.loads(reply.body)["error"]
    return told


# Health ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/health", "/v1/health", "/health?x=1"])
def test_health_is_told_from_memory(path: str) -> None:
    reply = Setup().ask("GET", path)
    assert reply.head.status == 200
    assert orjson.loads(reply.body) == {
        "ok": True,
        "version": "1.2.3",
        "models": 2,
        "chatgpt_passthrough": True,
        "cursor_passthrough": False,
        "demo": True,
        "pid": 42,
        "uptime_seconds": 61.3,
        "live_turns": 3,
        "reasons": {"chatgpt": "logged out"},
        "problems": ["models.json: broken"],
        "quota": {},
    }


def test_passthrough_is_told_only_while_a_route_of_it_is_live() -> None:
    told = orjson.loads(Setup(hidden="expired").ask("GET", "/health").body)
    assert (told["chatgpt_passthrough"], told["models"]) == (False, 1)


@pytest.mark.parametrize("path", ["/health", "/v1/models", "/v1/models?client_version=1"])
def test_head_has_the_head_of_get_and_no_body(path: str) -> None:
    setup = Setup()
    head, get = setup.ask("HEAD", path), setup.ask("GET", path)
    assert (head.head, head.body) == (get.head, b"")


# Models ---------------------------------------------------------------------------------------------------


def test_models_are_listed_in_openais_shape() -> None:
    told = orjson.loads(Setup().ask("GET", "/v1/models").body)
    assert told["object"] == "list"
    assert [(row["id"], row["object"], row["owned_by"]) for row in told["data"]] == [
        ("gpt-5.5", "model", "chatgpt"),
        ("shim-demo", "model", "demo"),
    ]


@pytest.mark.parametrize("query", ["client_version=0.169.0", "client_version=", "a&client_version"])
def test_codex_gets_its_own_shape_with_entries_verbatim(query: str) -> None:
    reply = Setup().ask("GET", f"/v1/models?{query}")
    assert orjson.loads(reply.body) == {
        "models": [
            {"slug": "gpt-5.5", "extra": {"kept": [1, None]}},
            {"slug": "shim-demo", "extra": {"kept": [1, None]}},
        ]
    }


def test_the_etag_is_the_accounts_own_when_it_is_exactly_its_list() -> None:
    setup = Setup(etag='W/"account"')
    assert setup.ask("GET", "/v1/models?client_version=1").head.header(b"etag") == b'W/"account"'


def test_a_client_that_has_this_list_is_told_so() -> None:
    setup = Setup()
    path = "/v1/models?client_version=1"
    tag = setup.ask("GET", path).head.header(b"etag")
    assert tag
    again = setup.ask("GET", path, b"", (b"If-None-Match", tag))
    assert (again.head.status, again.body, again.head.header(b"etag")) == (304, b"", tag)
    assert setup.ask("GET", path).head.header(b"content-type") == b"application/json"
    setup.hidden = "expired"
    changed = setup.ask("GET", path, b"", (b"If-None-Match", tag))
    assert changed.head.status == 200
    assert changed.head.header(b"etag") != tag


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        (None, False),
        (b"", False),
        (b'"a"', True),
        (b'W/"a"', True),
        (b'"b", W/"a"', True),
        (b"*", True),
        (b'"b"', False),
        (b"a", False),
    ],
)
def test_etags_are_compared_weakly(asked: bytes | None, known: bool) -> None:
    assert matches_etag(asked, b'"a"') is known
    assert matches_etag(asked, b'W/"a"') is known


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
def test_the_path_is_taken_without_v1_and_query(target: str, path: str) -> None:
    assert shim_path(target) == path


@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v1/", "/v1/chat/completions", "/v1/models/", "/V1/models", "//health",
     "/v1/../health", "/v1/responses/resp_1", "/v1/alpha/search", "*", "/\udcff", "/\x1b[2J"],
)  # fmt: skip
def test_an_unknown_path_is_a_404_that_tells_the_known_ones(path: str) -> None:
    reply = Setup().ask("GET", path)
    assert (reply.head.status, error(reply)["code"]) == (404, "not_found")
    assert "It serves /health, /v1/models, /v1/responses, " in error(reply)["message"]
    assert error(reply)["message"].isprintable()


def test_a_long_path_is_not_repeated_whole() -> None:
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
def test_a_wrong_method_is_a_405_that_names_the_right_one(
    method: str, path: str, allowed: bytes
) -> None:
    reply = Setup().ask(method, path, TURN, JSON)
    assert (reply.head.status, reply.head.header(b"allow")) == (405, allowed)
    assert error(reply)["message"].isprintable()
    assert reply.head.header(b"access-control-allow-origin") is None


@pytest.mark.parametrize("value", [b"websocket", b"WebSocket"])
def test_a_websocket_is_answered_with_426_which_sends_codex_to_http_at_once(value: bytes) -> None:
    reply = Setup().ask("GET", "/v1/responses", b"", (b"Upgrade", value))
    assert (reply.head.status, error(reply)["code"]) == (426, "websocket_not_spoken")
    assert "supports_websockets = false" in error(reply)["message"]


# Turns ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/responses", "/responses", "/v1/responses/compact"])
@pytest.mark.parametrize("slug", ["gpt-5.5", "old", "secret", "shim-demo"])
def test_a_turn_is_planned_by_its_route_alone(path: str, slug: str) -> None:
    setup = Setup()
    body = orjson.dumps({"model": slug, "input": []})
    reply = setup.ask("POST", path, body, JSON)
    [(request, route)] = setup.planned.requests
    assert reply.head.status == 299
    assert route.slug == {"old": "gpt-5.5"}.get(slug, slug)
    assert request.body is body


@pytest.mark.parametrize(
    "value", [b"application/json", b"Application/JSON", b"application/json; charset=utf-8"]
)
def test_json_may_be_called_so_in_any_way(value: bytes) -> None:
    assert Setup().post(TURN, (b"Content-Type", value)).head.status == 299


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
def test_what_a_page_can_post_without_being_asked_is_refused(
    headers: tuple[bytes, bytes],
) -> None:
    setup = Setup()
    reply = setup.post(TURN, headers)
    assert (reply.head.status, error(reply)["code"]) == (415, "unsupported_media_type")
    assert not setup.planned.requests


def test_an_unknown_slug_is_a_404_that_lists_the_live_ones() -> None:
    reply = Setup().post(b'{"model":"gpt-\\u001b7"}')
    assert (reply.head.status, error(reply)["code"]) == (404, "model_not_found")
    assert "It serves: gpt-5.5, shim-demo." in error(reply)["message"]
    assert error(reply)["message"].isprintable()


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
def test_a_body_that_names_no_model_is_refused_in_json(body: bytes, status: int) -> None:
    setup = Setup()
    reply = setup.post(body)
    assert reply.head.status == status
    assert error(reply)["message"]
    assert not setup.planned.requests


@given(st.text(), st.text(), st.binary(), st.lists(st.tuples(st.binary(), st.binary())))
def test_the_front_is_total(
    method: str, path: str, body: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    for asked in (path, "/v1/models?" + path, "/v1/responses"):
        for how in (method, "GET", "POST"):
            reply = Setup().ask(how, asked, body, JSON, *headers)
            assert reply.head.status in {200, 299, 304, 400, 404, 405, 413, 415, 426}


def test_a_local_answer_never_asks_an_upstream() -> None:
    plan = AnswerPlan(Reply(Head(200), b""))
    fault = Fault(FaultKind.CUT, "x")
    with pytest.raises(AssertionError):
        plan.on_head(Head(200))
    with pytest.raises(AssertionError):
        plan.on_body(Head(200), b"")
    with pytest.raises(AssertionError):
        plan.on_fault(fault)


def test_a_route_is_told_the_name_that_was_asked_for() -> None:
    setup = Setup()
    for name in ("gpt-5.5", "old"):
        setup.post(b'{"input":"hi","model":"%s"}' % name.encode())
    assert [request.model for request, _ in setup.planned.requests] == ["gpt-5.5", "old"]


@pytest.mark.parametrize("slug", ["codex-auto-review", "secret"])
@pytest.mark.parametrize("kind", ["auto_review", "turn"])
def test_a_helper_call_under_a_slug_that_is_not_offered_goes_to_its_threads_model(
    slug: str, kind: str
) -> None:
    setup = Setup()
    front = setup.front
    headers = (JSON, (b"thread-id", b"t1"))
    front.plan(ClientRequest("POST", "/v1/responses", headers, b'{"model":"shim-demo"}'))
    metadata = (b"x-codex-turn-metadata", orjson.dumps({"request_kind": kind}))
    body = orjson.dumps({"model": slug})
    front.plan(ClientRequest("POST", "/v1/responses", (*headers, metadata), body))
    routes = [route.slug for _, route in setup.planned.requests]
    own = [slug] if slug == "secret" else []
    assert routes == ["shim-demo", *(["shim-demo"] if kind == "auto_review" else own)]


def test_a_threads_model_that_is_offered_no_more_does_not_stand_in() -> None:
    setup = Setup()
    tables = [setup.front.table()]
    front = ShimFront(lambda: tables[0], lambda: STATUS, lambda: 1000, lambda: None)
    headers = (JSON, (b"thread-id", b"t1"), (b"x-codex-turn-metadata", b'{"request_kind":"title"}'))
    front.plan(ClientRequest("POST", "/v1/responses", headers, b'{"model":"gpt-5.5"}'))
    tables[0] = Setup(hidden="logged out").front.table()
    step = front.plan(ClientRequest("POST", "/v1/responses", headers, b'{"model":"x"}')).start()
    assert isinstance(step, Answer)
    assert step.reply.head.status == 404


def test_an_unknown_slug_is_told_the_setting_that_names_models() -> None:
    assert "`aliases`" in str(error(Setup().post(b'{"model":"codex-auto-review"}'))["message"])


# More endpoints -------------------------------------------------------------------------------------------


def test_another_endpoint_is_served_beside_the_known_ones() -> None:
    page = Endpoint(("GET",), lambda request: AnswerPlan(Reply(Head(299), request.path.encode())))
    front = replace(Setup().front, more={"/page": page})

    def ask(method: str, path: str) -> Reply:
        step = front.plan(ClientRequest(method, path, (), b"")).start()
        assert isinstance(step, Answer)
        return step.reply

    assert ask("GET", "/page?x").body == b"/page?x"
    assert ask("POST", "/page").head.header(b"allow") == b"GET"
    assert "/v1/responses, /v1/responses/compact, /page" in error(ask("GET", "/no"))["message"]
