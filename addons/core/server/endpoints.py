"""The table of everything that this port serves: path → methods → the function that makes the plan.

A new endpoint is one entry of `endpoint_table`. Never does: read a file, a clock or the ledger. What the answers are
made of comes from `DataSources`, which composition fills with callables. Invariant: every path that is served is in the
table, without the `/v1` that a base URL may put before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qs

from addons.core.errors import JSON_HEADERS, SSE_HEADERS, Problem
from addons.core.headers import media_type
from addons.core.providers.chatgpt_endpoints import FORWARDED
from addons.core.routes import RouteTable
from addons.core.server.admission import METRICS
from addons.core.server.health import Status, health_report
from addons.core.server.models_api import ModelsApi
from addons.core.server.pages import PAGES, page_plan
from addons.core.server.replies import answer_json, answer_read, not_json, refuse, stream
from addons.core.telemetry.metrics import (
    OPENMETRICS_TYPE,
    TEXT_TYPE,
    Family,
    exposition,
    wants_openmetrics,
)
from addons.core.turn import ClientRequest, Head, LocalSource, Plan, Reply

GET, READ, WRITE = ("GET",), ("GET", "HEAD"), ("POST",)
TURN_PATHS = ("/responses", "/responses/compact")
SPANS = {"24h": 86400.0, "7d": 7 * 86400.0, "30d": 30 * 86400.0}
"""`since` of GET /api/usage → seconds."""
DEFAULT_SPAN = "7d"

PlanRequest = Callable[[ClientRequest], Plan]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path: the methods that it takes, and the function that makes its plans."""

    methods: tuple[str, ...]
    plan: PlanRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSources:
    """Where the endpoints get their data. Called once per request: a changed source shows in the next answer."""

    table: Callable[[], RouteTable]
    turn_table: Callable[[str], RouteTable]
    """A slug → a table in which it is as `table` has it, of less work where that is possible."""
    status: Callable[[], Status]
    etag: Callable[[], str | None]
    active_model: Callable[[], str | None]
    switch_model: Callable[[str], LocalSource]
    last_turn: Callable[[str], Mapping[str, object] | None]
    """These three: see `ModelsApi`."""
    page_file: Callable[[str], bytes]
    """A file name of `PAGES` → its bytes."""
    live_events: Callable[[], LocalSource | None]
    """Writes the dashboard's events until the client leaves; None when too many clients read them already."""
    usage_report: Callable[[float], LocalSource]
    """Writes the totals of the last so many seconds, as JSON."""
    recent_turn: Callable[[str], LocalSource | None]
    """Writes the newest remembered turn whose id begins so, masked, as JSON; None when there is none."""
    forward: PlanRequest
    """Makes the plan of a request that goes to the ChatGPT backend and is no turn."""
    expect_turn: Callable[[], object]
    """Called when Codex asks for its models: it has started, and a turn may come next."""
    original_turn: Callable[[str], LocalSource | None]
    """Writes a remembered turn with its text, as JSON: by the start of its id, or the user's newest one; None when there is none."""
    recent_ids: Callable[[], Sequence[str]]
    """The ids of the remembered turns, oldest first."""
    metrics: Callable[[], Sequence[Family]]


def endpoint_table(
    data: DataSources, plan_turn: PlanRequest, is_owner: Callable[[ClientRequest], bool]
) -> Mapping[str, Endpoint]:
    """Build the table. `is_owner` returns whether a request shows the local token."""
    models = ModelsApi(
        data.table,
        data.etag,
        data.active_model,
        data.switch_model,
        data.last_turn,
        data.expect_turn,
    )
    return {
        "/health": Endpoint(READ, partial(_health, data, is_owner)),
        "/models": Endpoint(READ, models.list_models),
        **{path: Endpoint(WRITE, plan_turn) for path in TURN_PATHS},
        **{
            path: Endpoint(READ, partial(page_plan, name, data.page_file))
            for path, name in PAGES.items()
        },
        **{path: Endpoint(WRITE, partial(_forward, data)) for path in FORWARDED},
        "/api/models": Endpoint(READ, models.list_for_picker),
        "/api/switch": Endpoint(WRITE, models.switch),
        "/api/events": Endpoint(GET, partial(_events, data)),
        "/api/usage": Endpoint(GET, partial(_usage, data)),
        "/api/turns": Endpoint(GET, partial(_recent_turn, data)),
        "/api/turns/original": Endpoint(GET, partial(_original_turn, data, is_owner)),
        METRICS: Endpoint(READ, partial(_metrics, data)),
    }


def _health(
    data: DataSources, is_owner: Callable[[ClientRequest], bool], request: ClientRequest
) -> Plan:
    report = health_report(data.table(), data.status(), shows_paths=is_owner(request))
    return answer_json(request, report)


def _forward(data: DataSources, request: ClientRequest) -> Plan:
    if media_type(request.headers) != b"application/json":
        return refuse(not_json())
    return data.forward(request)


def _events(data: DataSources, _request: ClientRequest) -> Plan:
    source = data.live_events()
    if source is None:
        message = "Too many dashboards are open. Close one."
        return refuse(Problem(503, "too_many_listeners", message))
    return stream(Head(200, SSE_HEADERS), source)


def _usage(data: DataSources, request: ClientRequest) -> Plan:
    seconds = SPANS.get(_parameter(request, "since"), SPANS[DEFAULT_SPAN])
    return stream(Head(200, JSON_HEADERS), data.usage_report(seconds))


def _metrics(data: DataSources, request: ClientRequest) -> Plan:
    accept = (request.header(b"accept") or b"").decode("latin-1")
    openmetrics = wants_openmetrics(accept)
    media = OPENMETRICS_TYPE if openmetrics else TEXT_TYPE
    head = Head(200, ((b"content-type", media), (b"cache-control", b"no-store")))
    return answer_read(request, Reply(head, exposition(data.metrics(), openmetrics=openmetrics)))


def _recent_turn(data: DataSources, request: ClientRequest) -> Plan:
    source = data.recent_turn(_parameter(request, "id"))
    return stream(Head(200, JSON_HEADERS), source) if source else refuse(_no_turn(data))


def _original_turn(
    data: DataSources, is_owner: Callable[[ClientRequest], bool], request: ClientRequest
) -> Plan:
    if not is_owner(request):
        # without a token every program of the machine would read the texts
        message = "The text of a turn is given only to a client with the local token. Create one with `codex-shim enable`."
        return refuse(Problem(403, "local_token_missing", message))
    turn_id = _parameter(request, "id")
    if source := data.original_turn(turn_id):
        return stream(Head(200, JSON_HEADERS), source)
    if turn_id:
        return refuse(_no_turn(data))
    message = "No turn of yours is remembered: none has ended since this codex-shim started, or the last one was too large."
    return refuse(Problem(404, "no_turn", message))


def _no_turn(data: DataSources) -> Problem:
    ids = data.recent_ids()
    message = "No turn has ended since this codex-shim started."
    if ids:
        message = f"No such turn among the last ones: {', '.join(ids)}."
    return Problem(404, "no_turn", message)


def _parameter(request: ClientRequest, name: str) -> str:
    return parse_qs(request.path.partition("?")[2]).get(name, [""])[0]
