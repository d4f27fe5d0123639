from __future__ import annotations

from typing import Any

import orjson
import pytest

from addons.core.models_api import ModelsApi, SwitchPlan
from addons.core.routes import Route, RouteTable
from addons.core.turn import Answer, ClientRequest, Plan, Sink, Synthesize, SyntheticOrigin

JSON = (b"content-type", b"application/json; charset=utf-8")


def no_plan(request: ClientRequest, route: Route) -> Plan:
    raise AssertionError(request, route)


async def origin(sink: Sink) -> None:
    await sink.write(b"{}")


class Api:
    def __init__(self) -> None:
        entry = {"slug": "a", "context_window": 1000}
        routes = [
            Route("a", "A", "chatgpt", "a", entry, no_plan),
            Route("b", "B", "byok", "b", {}, no_plan, "no key"),
        ]
        table = RouteTable.of(routes, {"alias": "a"})
        self.switched: list[str] = []
        self.api = ModelsApi(lambda: table, lambda: "a", self.switch, {"a": {"ok": True}}.get)

    def switch(self, slug: str) -> SyntheticOrigin:
        self.switched.append(slug)
        return origin

    def ask(self, method: str, path: str, body: bytes = b"", *headers: tuple[bytes, bytes]) -> Plan:
        return self.api.endpoints[path].plan(ClientRequest(method, path, headers, body))


def reply_of(plan: Plan) -> tuple[int, Any]:
    step = plan.start()
    assert isinstance(step, Answer)
    return step.reply.head.status, orjson.loads(step.reply.body)


def test_models_are_told_hidden_ones_with_their_reason() -> None:
    assert reply_of(Api().ask("GET", "/api/models")) == (
        200,
        {
            "models": [
                {
                    "slug": "a",
                    "display_name": "A",
                    "route": "chatgpt",
                    "live": True,
                    "reason": "",
                    "context_window": 1000,
                    "active": True,
                    "last": {"ok": True},
                },
                {
                    "slug": "b",
                    "display_name": "B",
                    "route": "byok",
                    "live": False,
                    "reason": "no key",
                    "context_window": None,
                    "active": False,
                    "last": None,
                },
            ]
        },
    )


@pytest.mark.parametrize("name", ["a", "alias"])
def test_a_live_model_is_switched_to_by_its_slug(name: str) -> None:
    api = Api()
    plan = api.ask("POST", "/api/switch", orjson.dumps({"slug": name}), JSON)
    assert isinstance(plan, SwitchPlan)
    step = plan.start()
    assert isinstance(step, Synthesize)
    assert step.origin is origin
    assert api.switched == ["a"]


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b'{"slug":"a"}', (), 415, "unsupported_media_type"),
        (b'{"slug":"a"}', ((b"content-type", b"text/plain"),), 415, "unsupported_media_type"),
        (b"{", (JSON,), 400, "bad_request"),
        (b"[]", (JSON,), 400, "bad_request"),
        (b'{"slug":3}', (JSON,), 400, "bad_request"),
        (b'{"slug":""}', (JSON,), 400, "bad_request"),
        (b'{"slug":"nope"}', (JSON,), 404, "model_not_found"),
        (b'{"slug":"b"}', (JSON,), 409, "model_hidden"),
    ],
)
def test_what_cannot_be_switched_to_is_refused_and_changes_nothing(
    body: bytes, headers: tuple[tuple[bytes, bytes], ...], status: int, code: str
) -> None:
    api = Api()
    got, told = reply_of(api.ask("POST", "/api/switch", body, *headers))
    assert (got, told["error"]["code"]) == (status, code)
    assert api.switched == []


def test_a_switch_asks_no_upstream() -> None:
    plan: Any = SwitchPlan(origin)
    for ask in (plan.on_head, plan.on_fault):
        with pytest.raises(AssertionError):
            ask(None)
    with pytest.raises(AssertionError):
        plan.on_body(None, b"")
