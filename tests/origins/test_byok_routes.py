"""Rows as routes: their plans, keys, fallbacks, and what a hidden one answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest

from addons.core.credential import Origin
from addons.core.limits import Limits
from addons.core.models_file import ModelRows, parse_models
from addons.core.routes import Route
from addons.core.turn import Answer, ClientRequest, Head, Send
from addons.origins.byok_routes import ByokRoutes

BODY = orjson.dumps({"model": "x", "input": "hello", "stream": True, "store": False})
JSON = ((b"content-type", b"application/json"),)
TURN = ClientRequest("POST", "/v1/responses", JSON, BODY)
CODEX = ClientRequest("POST", "/v1/responses", (*JSON, (b"originator", b"codex_exec")), BODY)
GENERIC = {"provider": "generic", "base_url": "https://a.example/v1", "api_key": "k"}


class Routes:
    """The routes of some rows, found by slug as the table would."""

    def __init__(self, folder: Path, env: Mapping[str, str], *rows: Mapping[str, object]) -> None:
        self.by_slug: dict[str, Route] = {}
        self.byok = ByokRoutes(env, folder, self.by_slug.get)
        self.rows: ModelRows = parse_models(orjson.dumps(rows), "models.json")
        routes = self.byok.routes(self.rows, Limits())
        self.by_slug.update((route.slug, route) for route in routes)

    def start(self, slug: str, request: ClientRequest = TURN) -> object:
        route = self.by_slug[slug]
        return route.make_plan(request, route).start()


@pytest.mark.parametrize(
    ("provider", "base_url", "path", "secret"),
    [
        ("generic", "https://a.example", "/v1/chat/completions", b"authorization: Bearer k"),
        ("anthropic", "https://a.example", "/v1/messages", b"x-api-key: k"),
        ("openai-responses", "https://a.example", "/v1/responses", b"authorization: Bearer k"),
        ("azure", "https://a.example", "/openai/v1/chat/completions", b"api-key: k"),
    ],
)
def test_a_turn_goes_to_the_row_with_its_key(
    tmp_path: Path, provider: str, base_url: str, path: str, secret: bytes
) -> None:
    row = {"model": "m", "provider": provider, "base_url": base_url, "api_key": "k"}
    step = Routes(tmp_path, {}, row).start("m")
    assert isinstance(step, Send)
    wire = step.wire
    assert (wire.origin, wire.path) == (Origin("https", "a.example", 443), path)
    [header] = wire.secrets
    assert header.name + b": " + header.value_for(wire.origin) == secret
    assert orjson.loads(wire.body)["model"] == "m"


def test_a_row_that_lacks_its_key_is_hidden_and_a_turn_is_told_why(tmp_path: Path) -> None:
    env: dict[str, str] = {}
    routes = Routes(tmp_path, env, {"model": "m", "provider": "deepseek"})
    assert "DEEPSEEK_API_KEY" in routes.by_slug["m"].hidden_because
    assert routes.byok.missing(routes.rows) == (routes.by_slug["m"].hidden_because,)
    step = routes.start("m")
    assert isinstance(step, Answer)
    assert (step.reply.head.status, b"DEEPSEEK_API_KEY" in step.reply.body) == (401, True)
    env["DEEPSEEK_API_KEY"] = "k"
    assert isinstance(routes.start("m"), Send)
    assert routes.byok.missing(routes.rows) == ("",)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"model": "m", "provider": "generic"}, b"base_url"),
        ({"model": "m", "enabled": False, **GENERIC}, b"switched off"),
    ],
)
def test_a_hidden_row_answers_with_its_reason(
    tmp_path: Path, row: Mapping[str, object], said: bytes
) -> None:
    routes = Routes(tmp_path, {}, row)
    assert not routes.by_slug["m"].live
    for request, status in ((TURN, 404), (CODEX, 200)):
        step = routes.start("m", request)
        assert isinstance(step, Answer)
        assert step.reply.head.status == status
        assert said in step.reply.body


def test_a_row_that_cannot_answer_hands_on_to_the_next(tmp_path: Path) -> None:
    other = {**GENERIC, "model": "other", "base_url": "https://b.example/v1"}
    first = {**GENERIC, "model": "first", "fallback": ["unknown", "other"]}
    route = Routes(tmp_path, {}, first, other).by_slug["first"]
    plan = route.make_plan(TURN, route)
    step = plan.start()
    assert isinstance(step, Send)
    assert step.wire.origin.host == "a.example"
    step = plan.on_head(Head(402))
    assert isinstance(step, Send)
    assert step.wire.origin.host == "b.example"


def test_trouble_of_a_command_is_told_once_it_was_run(tmp_path: Path) -> None:
    row = {"model": "m", **GENERIC, "api_key": None, "auth_command": "/no/such/program"}
    routes = Routes(tmp_path, {}, row)
    assert routes.by_slug["m"].live
    assert routes.byok.troubles(routes.rows) == ()
