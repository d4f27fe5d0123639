"""The plan of a turn that a cassette answers.

Never does: send anything to an upstream. Invariant: an event stream ends with one terminal event, also if it had none
when it was recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from addons.core.cassette.format import RecordedAnswer, texts_of
from addons.core.cassette.keys import without_keys
from addons.core.cassette.player import Asked, Miss, Player
from addons.core.codex.threads import agent_of, thread_id_for
from addons.core.errors import Problem
from addons.core.headers import HOP_BY_HOP, Headers, media_type
from addons.core.json_values import JsonObject
from addons.core.limits import Limits
from addons.core.protocols.request_body import decode, find_model
from addons.core.protocols.responses.observer import StreamObserver
from addons.core.routes import OneStepPlan, Route, RouteTable
from addons.core.server.replies import answer, final_reply, refuse
from addons.core.server.websocket import warm_up_plan
from addons.core.turn import Answer, ClientRequest, Head, LocalSource, Plan, Reply, StreamLocal

REPLAY = "replay"
"""The provider in records and in the list of models."""
Parts = Sequence[tuple[float, str]]


class ReplayPlans:
    """Makes the plans of one cassette. `paced` makes the source that writes the parts of a stream at their times."""

    def __init__(
        self, player: Player, limits: Limits, paced: Callable[[Parts], LocalSource]
    ) -> None:
        self._player = player
        self._limits = limits
        self._paced = paced
        self.table = _table(player.cassette.models, self._plan_routed)

    def plan(self, request: ClientRequest) -> Plan:
        """Return the plan that gives the recorded answer, or names what differs."""
        if warm_up := warm_up_plan(request):
            return warm_up
        encoding = request.header(b"content-encoding")
        body = decode(request.body, encoding, self._limits.body_bytes)
        if isinstance(body, Problem):
            return refuse(body)
        slug = find_model(body, None, self._limits.body_bytes)
        slug = slug if isinstance(slug, str) else ""
        notes, thread = request.notes, thread_id_for(request)
        notes.note_slug(slug or request.path, thread)
        notes.agent, notes.row = agent_of(request, slug), slug
        notes.note_route(REPLAY, slug)
        text = without_keys(body).decode("utf-8", "replace")
        found = self._player.take(Asked(request.path, notes.thread, notes.agent, text))
        if isinstance(found, Miss):
            return answer(final_reply(self._problem(found), request))
        return OneStepPlan(self._step(found.answer))

    def _plan_routed(self, request: ClientRequest, _route: Route) -> Plan:
        return self.plan(request)

    def _problem(self, miss: Miss) -> Problem:
        name = self._player.name
        message = (
            f"The cassette {name} has no turn for this request: {miss.reason}. "
            "Record it again with `codex-shim record FILE`, "
            "or ignore the text of requests with `codex-shim replay FILE --loose`."
        )
        return Problem(404, "not_recorded", message)

    def _step(self, recorded: RecordedAnswer) -> StreamLocal | Answer:
        head = Head(recorded.status, _headers(recorded))
        if recorded.status == 200 and media_type(head.headers) == b"text/event-stream":  # noqa: PLR2004
            observer = StreamObserver(self._limits.event_bytes)
            return StreamLocal(head, self._paced(recorded.parts), observer)
        return Answer(Reply(head, texts_of(recorded.parts).encode()))


def _headers(recorded: RecordedAnswer) -> Headers:
    pairs = (
        (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
        for name, value in recorded.headers
    )
    framing = HOP_BY_HOP | {b"content-length", b"content-encoding"}
    return tuple((name, value) for name, value in pairs if name.lower() not in framing)


def _table(
    models: Mapping[str, JsonObject], make: Callable[[ClientRequest, Route], Plan]
) -> RouteTable:
    routes = [
        Route(slug, str(entry.get("display_name") or slug), REPLAY, slug, entry, make)
        for slug, entry in models.items()
    ]
    return RouteTable.of(routes)
