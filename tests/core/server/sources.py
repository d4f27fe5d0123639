"""A router over fake data sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from addons.core.routes import MakeEntry, OneStepPlan, Route, RouteTable
from addons.core.server.admission import NO_TOKEN, TokenRule
from addons.core.server.endpoints import DataSources
from addons.core.server.health import Status
from addons.core.server.router import Router
from addons.core.telemetry.metrics import Sample, gauge
from addons.core.turn import (
    Answer,
    ClientRequest,
    Head,
    LocalSource,
    Plan,
    Reply,
    Sink,
    StreamLocal,
)

JSON = (b"content-type", b"application/json")
STATUS = Status("1.2.3", 42, 61.26, 3, {"chatgpt": "logged out"}, ("models.json: broken",))
PLANNED = 299
"""The status of the answer that the plan of a fake route gives."""


@dataclass
class Planned:
    """Records what a route was asked to plan."""

    requests: list[tuple[ClientRequest, Route]] = field(default_factory=list)

    def plan(self, request: ClientRequest, route: Route) -> Plan:
        self.requests.append((request, route))
        return OneStepPlan(Answer(Reply(Head(PLANNED), route.model.encode())))

    def forward(self, request: ClientRequest) -> Plan:
        return OneStepPlan(Answer(Reply(Head(PLANNED), request.path.encode())))


def writes(text: str) -> LocalSource:
    """A local source that writes this text."""

    async def source(sink: Sink) -> None:
        await sink.write(text.encode())

    return source


class Collected:
    """A sink that keeps what was written."""

    def __init__(self) -> None:
        self.data = b""

    async def write(self, data: bytes) -> None:
        self.data += data


@dataclass
class Setup:
    """The sources, as values that a test can change."""

    planned: Planned = field(default_factory=Planned)
    etag: str | None = None
    max_body_bytes: int = 1000
    unavailable: str = ""
    active: str | None = "gpt-5.5"
    helpers: str = ""
    own_aliases: Mapping[str, str] = field(default_factory=dict)
    token: TokenRule = NO_TOKEN
    listeners_left: int = 1
    recent: Mapping[str, str] = field(default_factory=dict)
    """Id of a remembered turn → what is written of it."""
    switched: list[str] = field(default_factory=list)
    make_entry: MakeEntry | None = None
    visibility: str = ""
    supported_in_api: bool = True
    priorities: Mapping[str, int] = field(default_factory=dict)
    more_providers: tuple[str, ...] = ()
    """Each with a model of its name."""
    unknown: list[str] = field(default_factory=list)
    budgeted: bool = False
    over_budget: Reply | None = None
    checked: list[tuple[str, str]] = field(default_factory=list)
    """Slug and user's thread of each turn that was checked against the budgets."""
    expected: list[str] = field(default_factory=list)
    """One entry for each time that Codex asked for its models."""

    @property
    def table(self) -> RouteTable:
        routes = [
            self.route("gpt-5.5", unavailable=self.unavailable),
            self.route("secret", unavailable="off"),
            self.route("shim-demo", "demo"),
            *(self.route(provider, provider) for provider in self.more_providers),
        ]
        return RouteTable.of(
            routes,
            {"old": "gpt-5.5"},
            self.own_aliases,
            self.helpers,
            has_budgets=self.budgeted,
        )

    @property
    def data(self) -> DataSources:
        return DataSources(
            table=lambda: self.table,
            turn_table=lambda _: self.table,
            status=lambda: STATUS,
            etag=lambda: self.etag,
            active_model=lambda: self.active,
            switch_model=self._switch,
            last_turn={"gpt-5.5": {"ok": True}}.get,
            page_file=lambda name: f"file {name}".encode(),
            live_events=lambda: writes("events") if self.listeners_left else None,
            usage_report=lambda seconds: writes(f"usage of {seconds:g} s"),
            forward=self.planned.forward,
            expect_turn=lambda: self.expected.append("a turn"),
            recent_turn=self._recent_turn,
            original_turn=self._recent_turn,
            recent_ids=lambda: list(self.recent),
            metrics=lambda: [gauge("codex_shim_running_turns", "Turns that run now.", Sample(3))],
        )

    @property
    def router(self) -> Router:
        return Router(
            self.data,
            lambda: self.max_body_bytes,
            lambda: self.token,
            self.unknown.append,
            self._check_budgets,
        )

    def route(self, slug: str, provider: str = "chatgpt", unavailable: str = "") -> Route:
        entry: dict[str, object] = {"slug": slug, "extra": {"kept": [1, None]}, "context_window": 1000}  # fmt: skip
        if self.visibility:
            entry |= {"visibility": self.visibility, "supported_in_api": self.supported_in_api}
            entry["priority"] = self.priorities.get(slug, 0)
        return Route(
            slug,
            slug.upper(),
            provider,
            slug,
            entry,
            self.planned.plan,
            unavailable,
            self.make_entry,
        )

    def _check_budgets(self, request: ClientRequest, route: Route) -> Reply | None:
        self.checked.append((route.slug, request.notes.root))
        return self.over_budget

    def _switch(self, slug: str) -> LocalSource:
        self.switched.append(slug)
        return writes(f"switched to {slug}")

    def _recent_turn(self, id_prefix: str) -> LocalSource | None:
        found = [text for turn, text in self.recent.items() if turn.startswith(id_prefix)]
        return writes(found[-1]) if found else None

    def plan(
        self, method: str, path: str, body: bytes = b"", *headers: tuple[bytes, bytes]
    ) -> Plan:
        return self.router.plan(ClientRequest(method, path, headers, body))

    def ask(
        self, method: str, path: str, body: bytes = b"", *headers: tuple[bytes, bytes]
    ) -> Reply:
        step = self.plan(method, path, body, *headers).start()
        assert isinstance(step, Answer)
        return step.reply

    def post(self, body: bytes, *headers: tuple[bytes, bytes]) -> Reply:
        return self.ask("POST", "/v1/responses", body, *(headers or (JSON,)))

    async def streamed(
        self, method: str, path: str, body: bytes = b"", *headers: tuple[bytes, bytes]
    ) -> tuple[Head, bytes]:
        step = self.plan(method, path, body, *headers).start()
        assert isinstance(step, StreamLocal)
        sink = Collected()
        await step.source(sink)
        return step.head, step.translator.feed(sink.data) + step.translator.finish()


def error(reply: Reply) -> Mapping[str, str]:
    assert reply.head.header(b"content-type") == b"application/json"
    found: Mapping[str, str] = orjson.loads(reply.body)["error"]
    return found
