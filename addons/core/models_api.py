"""The data behind a model picker: which models there are, which one Codex uses, and a way to change that.

Never does: touch Codex's config itself; the origin that it is given does. Invariant: only a model that can be used now
is switched to, and what became of it is told in one JSON object.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import orjson

from addons.core.errors import JSON_HEADERS, Problem
from addons.core.front import (
    QUOTED_CHARACTERS,
    READ,
    WRITE,
    AnswerPlan,
    Endpoint,
    Endpoints,
    readable,
)
from addons.core.outcomes import Outcome
from addons.core.providers.passthrough import PassThrough
from addons.core.routes import Route, RouteTable
from addons.core.turn import (
    ClientRequest,
    Fault,
    Head,
    Plan,
    Reply,
    Step,
    Synthesize,
    SyntheticOrigin,
)


@dataclass(frozen=True, slots=True)
class SwitchPlan:
    """The plan of a switch: a file is written meanwhile, and no other turn waits for it."""

    origin: SyntheticOrigin

    def start(self) -> Step:
        """Begin the answer; the origin ends it."""
        return Synthesize(Head(200, JSON_HEADERS), self.origin, PassThrough())

    def on_head(self, head: Head) -> NoReturn:
        """No upstream was asked."""
        raise AssertionError(head)

    def on_body(self, head: Head, body: bytes) -> NoReturn:
        """No upstream was asked."""
        raise AssertionError(head, body)

    def on_fault(self, fault: Fault) -> NoReturn:
        """No upstream was asked."""
        raise AssertionError(fault)


@dataclass(frozen=True, slots=True)
class ModelsApi:
    """`GET /api/models` and `POST /api/switch`."""

    table: Callable[[], RouteTable]
    active: Callable[[], str | None]
    """The model that Codex's config names, when it is wired to us."""
    switch: Callable[[str], SyntheticOrigin]
    """Makes the origin that switches to a slug and writes `{"ok", "slug", "written", "message"}`."""
    last: Callable[[str], Outcome | None] = lambda _: None
    """How the last turn of a slug ended."""

    @property
    def endpoints(self) -> Endpoints:
        """Both, for `ShimFront.more`."""
        return {
            "/api/models": Endpoint(READ, self._models),
            "/api/switch": Endpoint(WRITE, self._switch),
        }

    def _models(self, request: ClientRequest) -> Plan:
        active = self.active()
        routes = self.table().routes.values()
        rows = [{**_row(route, active), "last": self.last(route.slug)} for route in routes]
        return readable(request, Reply(Head(200, JSON_HEADERS), orjson.dumps({"models": rows})))

    def _switch(self, request: ClientRequest) -> Plan:
        slug = _slug_of(request)
        if isinstance(slug, Problem):
            return AnswerPlan(slug.reply())
        route = self.table().resolve(slug)
        if route is None:
            return AnswerPlan(_unknown(slug).reply())
        if not route.live:
            return AnswerPlan(Problem(409, "model_hidden", route.hidden_because).reply())
        return SwitchPlan(self.switch(route.slug))


def _row(route: Route, active: str | None) -> dict[str, object]:
    return {
        "slug": route.slug,
        "display_name": route.display_name,
        "route": route.provider,
        "live": route.live,
        "reason": route.hidden_because,
        "context_window": route.entry.get("context_window"),
        "active": route.slug == active,
    }


def _slug_of(request: ClientRequest) -> str | Problem:
    content_type = (request.header(b"content-type") or b"").partition(b";")[0].strip().lower()
    if content_type != b"application/json":
        return Problem(
            415, "unsupported_media_type", "Send JSON, with `content-type: application/json`."
        )
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        body = None
    slug = body.get("slug") if isinstance(body, dict) else None
    if not isinstance(slug, str) or not slug:
        return Problem(400, "bad_request", 'Send {"slug": "…"} with one of GET /api/models.')
    return slug


def _unknown(slug: str) -> Problem:
    asked = slug[:QUOTED_CHARACTERS]
    return Problem(
        404,
        "model_not_found",
        f"codex-shim knows no model {asked!r}. GET /api/models lists those that it knows.",
    )
