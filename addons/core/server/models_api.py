"""The models as this port lists them: for Codex, for OpenAI SDKs, and for the model picker, which can also switch.

Never does: touch Codex's config; the source that it is given does. Invariant: Codex is switched only to a model that is
offered now, and one JSON object reports the outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

import orjson

from addons.core.codex.catalog import codex_shape, etag_for, openai_shape
from addons.core.codex.picker import picker_rows
from addons.core.errors import JSON_HEADERS, Problem
from addons.core.headers import media_type
from addons.core.routes import Route, RouteTable, route_label
from addons.core.server.replies import answer_json, answer_read, quote, refuse, stream
from addons.core.turn import ClientRequest, Head, LocalSource, Plan, Reply

CLIENT_VERSION = "client_version"
"""The parameter in which Codex names its version."""
CHATGPT = "chatgpt"
BUILT_IN = frozenset({CHATGPT, "cursor", "demo"})
"""The providers of the models that no row of models.json describes."""


@dataclass(frozen=True, slots=True)
class ModelsApi:
    """`GET /models`, `GET /api/models` and `POST /api/switch`."""

    table: Callable[[], RouteTable]
    etag: Callable[[], str | None]
    """The ETag of the account's own catalog while the offered models are exactly that catalog."""
    active: Callable[[], str | None]
    """The model that Codex's config names, when that config uses the shim."""
    switch_to: Callable[[str], LocalSource]
    """Makes the source that switches Codex to a slug and writes `{"ok", "slug", "written", "message"}`."""
    last_turn: Callable[[str], Mapping[str, object] | None]
    """How the last turn of a slug ended."""
    expect_turn: Callable[[], object]
    """Called when Codex asks for its models."""

    def list_models(self, request: ClientRequest) -> Plan:
        """Answer GET /models: in the form of the Codex whose `client_version` is in the query, else in OpenAI's."""
        live = self.table().live
        query = parse_qs(request.path.partition("?")[2], keep_blank_values=True)
        if CLIENT_VERSION not in query:
            return answer_json(
                request, openai_shape((route.slug, route.provider) for route in live)
            )
        self.expect_turn()
        body = orjson.dumps(
            codex_shape(route.entry_for(query[CLIENT_VERSION][0]) for route in live)
        )
        tag = (self.etag() or etag_for(body)).encode()
        headers = ((b"content-type", b"application/json"), (b"etag", tag))
        if matches_etag(request.header(b"if-none-match"), tag):
            return answer_read(request, Reply(Head(304, headers), b""))
        head = Head(200, (*headers, (b"cache-control", b"no-cache")))
        return answer_read(request, Reply(head, body))

    def list_for_picker(self, request: ClientRequest) -> Plan:
        """Answer GET /api/models: every model, those that Codex's picker shows first and in its order."""
        active = self.active()
        table = self.table()
        has_login = any(route.provider == CHATGPT for route in table.live)
        shown = picker_rows((_named(route) for route in table.live), chatgpt_login=has_login)
        listed = {row.slug: row.hidden_by for row in shown}
        # a model that is not offered is in no catalog
        rest = [slug for slug in table.routes if slug not in listed]
        rows = [
            {
                **_row(table.routes[slug], active),
                "hidden_by": listed.get(slug, ""),
                "last": self.last_turn(slug),
            }
            for slug in (*listed, *rest)
        ]
        return answer_json(request, {"models": rows})

    def switch(self, request: ClientRequest) -> Plan:
        """Answer POST /api/switch: make a model the one that Codex uses."""
        slug = _slug_in(request)
        if isinstance(slug, Problem):
            return refuse(slug)
        route = self.table().resolve(slug)
        if route is None:
            return refuse(_unknown(slug))
        if not route.live:
            return refuse(Problem(409, "model_hidden", route.unavailable_reason))
        return stream(Head(200, JSON_HEADERS), self.switch_to(route.slug))


def matches_etag(if_none_match: bytes | None, tag: bytes) -> bool:
    """Whether the client has this version already (RFC 9110, 13.1.2: a weak comparison)."""
    known = [one.strip().removeprefix(b"W/") for one in (if_none_match or b"").split(b",")]
    return b"*" in known or tag.removeprefix(b"W/") in known


def _named(route: Route) -> Mapping[str, object]:
    """Return the catalog entry of a route under the slug of the route."""
    return {**route.entry, "slug": route.slug}


def _row(route: Route, active: str | None) -> dict[str, object]:
    return {
        "slug": route.slug,
        "display_name": route.display_name,
        "route": route.provider,
        "label": route_label(route),
        "own": route.provider not in BUILT_IN,
        "live": route.live,
        "reason": route.unavailable_reason,
        "context_window": route.entry.get("context_window"),
        "active": route.slug == active,
    }


def _slug_in(request: ClientRequest) -> str | Problem:
    if media_type(request.headers) != b"application/json":
        return Problem(
            415, "unsupported_media_type", "Send JSON, with `content-type: application/json`."
        )
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        body = None
    slug = body.get("slug") if isinstance(body, dict) else None
    if not isinstance(slug, str) or not slug:
        return Problem(400, "bad_request", 'Send {"slug": "…"} with a slug from GET /api/models.')
    return slug


def _unknown(slug: str) -> Problem:
    message = f"codex-shim has no model {quote(slug)}. GET /api/models lists the known ones."
    return Problem(404, "model_not_found", message)
