"""A turn of a model that takes no pictures: each picture is described by another model, and the text stands in its place.

`Descriptions` are made by requests of their own to this port, so they are turns like any other: routed, counted, paid from
budgets. Never does: send a picture to the model that takes none, fail a turn because of a picture, describe one twice.
Invariant: the text of a picture stays the same for its whole thread, a note about a failure as well, so that the translation
of a history is a prefix of the translation of its extension. A picture that is sent again after a failure is tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import orjson

from addons.core.codex.threads import (
    PICTURE,
    SUB_AGENT,
    USER,
    root_thread_for,
    thread_id_for,
)
from addons.core.errors import INVALID_PROMPT, Problem
from addons.core.json_values import JsonObject
from addons.core.limits import Limits
from addons.core.protocols.request_body import decode
from addons.core.protocols.responses.described_pictures import (
    Picture,
    Place,
    failure_text,
    may_have_pictures,
    pictures_in,
    unreadable_note,
    with_texts,
)
from addons.core.protocols.responses.description import loaded
from addons.core.protocols.responses.notice import with_notice
from addons.core.protocols.responses.observer import is_plain_stream
from addons.core.routes import PlanMaker, Route
from addons.core.turn import (
    Answer,
    ClientRequest,
    EndsWithTurn,
    Fault,
    Head,
    Plan,
    Prepare,
    Relay,
    Send,
    Step,
    StreamLocal,
    shim_path,
)
from addons.core.upstream.error_body import read_error_body

DEFAULT_LIMITS = Limits()
_SENT_PICTURE = (b'"image_url":', b'"type":"image"')
"""One of these is in every request of any protocol that has a picture. A text has other quotes."""
TOO_LATE = "it was not described in time; it will be with the next request"
FOREIGN = (
    "it would be described with the login of another user. Set a local token (`codex-shim start` "
    "makes one), or name a row of models.json in `vision`"
)


class Ask(NamedTuple):
    """The pictures of one request that have no text yet."""

    slug: str
    """The model that describes them."""
    thread: bytes
    """The client's id of the thread; empty without one."""
    root: bytes
    """The user's thread that it belongs to."""
    pictures: Sequence[Picture]


class Described(NamedTuple):
    """What stands in the places of pictures. A picture that took too long may be missing."""

    texts: Mapping[Place, str]
    described: int = 0
    """How many pictures were described for this request."""
    failure: str = ""
    """Why another one was not; empty if none failed."""


class Descriptions(Protocol):
    """What is known of pictures, and how more is learnt."""

    def known(self, thread: bytes, picture: Picture) -> str | None:
        """Return what stands in place of a picture in this thread; None if that is not known yet."""

    async def describe(self, ask: Ask) -> Described:
        """Have pictures described."""


class NoDescriptions:
    """Knows none: in a process that serves nobody."""

    def known(self, thread: bytes, picture: Picture) -> None:
        """Return None."""

    async def describe(self, ask: Ask) -> Described:  # noqa: ARG002  the signature of the protocol
        """Return nothing."""
        return Described({})


def takes_pictures(route: Route) -> bool:
    """Return whether the model of a route takes pictures itself."""
    return not route.vision and "image" in _modalities(route)


def _modalities(route: Route) -> Sequence[object]:
    known = route.entry.get("input_modalities", ("text", "image"))
    return known if isinstance(known, list | tuple) else ()


def vision_problem(own: str, slug: str, found: Route | None) -> str:
    """Return why the model `slug` cannot describe pictures for the row `own`; empty if it can."""
    if found is None:
        return f"{slug!r} is no model."
    if found.slug == own:
        return f"{slug!r} is the row itself. Name a model that takes pictures."
    if not found.live:
        return f"{slug!r} cannot be used now: {found.unavailable_reason}"
    if not takes_pictures(found):
        return f"{slug!r} takes no pictures itself. Name a model that does."
    return ""


@dataclass(slots=True)
class Vision:
    """What the plans of one process share."""

    find: Callable[[str], Route | None]
    descriptions: Descriptions
    may_use_login: Callable[[], bool] = lambda: True
    """Whether all clients are the user whose login this process has."""
    is_row: Callable[[Route], bool] = lambda _: True
    """Whether a route is that of a row of models.json. Every other one belongs to a login."""
    limits: Limits = DEFAULT_LIMITS

    def maker(self, make_plan: PlanMaker, slug: str) -> PlanMaker:
        """Return a maker of plans whose pictures the model `slug` describes; the same maker without one."""
        if not slug:
            return make_plan

        def make(request: ClientRequest, route: Route) -> Plan:
            return VisionPlan(self, request, route, make_plan)

        return make

    def problem(self, route: Route) -> str:
        """Return why no picture can be described for this route now; empty if it can."""
        found = self.find(route.vision)
        if problem := vision_problem(route.slug, route.vision, found):
            return f"`vision` of {route.slug}: {problem}"
        if found and not self.is_row(found) and not self.may_use_login():
            return FOREIGN
        return ""


class VisionPlan:
    """One turn whose pictures are replaced by texts."""

    def __init__(
        self, shared: Vision, request: ClientRequest, route: Route, make_plan: PlanMaker
    ) -> None:
        self._shared = shared
        self._request = request
        self._route = route
        self._make_plan = make_plan
        self._plan: Plan
        self._plans: list[Plan] = []
        """All that were begun: a turn whose pictures are described begins twice."""
        self._payload: JsonObject = {}
        self._pictures: Sequence[Picture] = ()
        self._texts: dict[Place, str] = {}
        self._thread = thread_id_for(request) or b""
        self._notice = ""

    def start(self) -> Step:
        """Send the turn with what is known of its pictures, or have them described first."""
        self._payload = self._read()
        self._pictures = pictures_in(self._payload) if self._payload else ()
        if not self._pictures:
            return self._started(self._request)
        missing = [one for one in self._pictures if not self._is_known(one)]
        if not missing:
            return self._send()
        if problem := self._shared.problem(self._route):
            self._texts |= {one[:2]: failure_text(problem) for one in missing}
            return self._send()
        step = self._started(self._request)
        if not isinstance(step, Send):
            # it cannot be sent, so no picture needs a description
            return step
        return Prepare(lambda: self._describe(missing), self._send)

    def on_head(self, head: Head) -> Step:
        """Let the plan of the row decide."""
        return self._announced(self._plan.on_head(head))

    def on_body(self, head: Head, body: bytes) -> Step:
        """Let the plan of the row decide."""
        return self._announced(self._plan.on_body(head, body))

    def on_fault(self, fault: Fault) -> Step:
        """Let the plan of the row decide."""
        return self._plan.on_fault(fault)

    def ended(self) -> None:
        """Let the plans of the row release what they hold."""
        for plan in self._plans:
            if isinstance(plan, EndsWithTurn):
                plan.ended()

    def _read(self) -> JsonObject:
        """Return the request body; nothing if it has no pictures, or asks for a description itself."""
        request = self._request
        if request.notes.agent == PICTURE:
            return {}
        encoding = request.header(b"content-encoding")
        body = decode(request.body, encoding, self._shared.limits.body_bytes)
        if isinstance(body, Problem) or not may_have_pictures(body):
            return {}
        return loaded(body)

    def _is_known(self, picture: Picture) -> bool:
        text = self._shared.descriptions.known(self._thread, picture)
        text = text or unreadable_note(picture.url)
        if text:
            self._texts[picture[:2]] = text
        return bool(text)

    async def _describe(self, missing: Sequence[Picture]) -> None:
        slug = self._route.vision
        root = root_thread_for(self._request) or self._thread
        found = await self._shared.descriptions.describe(Ask(slug, self._thread, root, missing))
        self._texts |= found.texts
        what = "A picture was" if found.described == 1 else f"{found.described} pictures were"
        by = f"{what} described by {slug}, because {self._route.slug} takes none."
        self._notice = " ".join(filter(None, (by if found.described else "", found.failure)))

    def _send(self) -> Step:
        texts, late = self._texts, failure_text(TOO_LATE)
        payload = with_texts(self._payload, [texts.get(one[:2], late) for one in self._pictures])
        return self._started(_with_body(self._request, orjson.dumps(payload)))

    def _started(self, request: ClientRequest) -> Step:
        self._plan = self._make_plan(request, self._route)
        self._plans.append(self._plan)
        return self._plan.start()

    def _announced(self, step: Step) -> Step:
        """Say in front of the answer that pictures were described, where a user sees it."""
        request = self._request
        is_seen = request.expects_stream and request.notes.agent in (USER, SUB_AGENT)
        if not (self._notice and is_seen and isinstance(step, Relay)):
            return step
        if shim_path(request.path) != "/responses" or not is_plain_stream(step.head):
            return step
        text = f"**A picture became text**\n\n{self._notice}"
        translator = with_notice(step.translator, text, self._shared.limits.event_bytes)
        return replace(step, translator=translator, opening=translator.rewrite(step.opening))


class DescriptionPlan:
    """The turn that has a picture described. It ends with an error where the picture would be left out of its request.

    A row that was refused a picture goes on without it. Here nothing would be left to describe, and the answer is kept.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def start(self) -> Step:
        """Begin, unless the picture is known to be refused."""
        return self._with_picture(
            self._plan.start(), "its row takes none like this, or was refused it before"
        )

    def on_head(self, head: Head) -> Step:
        """Let the plan of the row decide."""
        return self._with_picture(self._plan.on_head(head), f"status {head.status}")

    def on_body(self, head: Head, body: bytes) -> Step:
        """Let the plan of the row decide. Report a refusal that it would answer by leaving the picture out."""
        reason = read_error_body(body).message or f"status {head.status}"
        return self._with_picture(self._plan.on_body(head, body), reason)

    def on_fault(self, fault: Fault) -> Step:
        """Let the plan of the row decide."""
        return self._with_picture(self._plan.on_fault(fault), fault.detail)

    def ended(self) -> None:
        """Let the plan of the row release what it holds."""
        if isinstance(self._plan, EndsWithTurn):
            self._plan.ended()

    def _with_picture(self, step: Step, reason: str) -> Step:
        is_whole = not isinstance(step, Send | StreamLocal) or (
            isinstance(step, Send) and any(mark in step.request.body for mark in _SENT_PICTURE)
        )
        if is_whole:
            return step
        message = f"The picture was refused by the model that should describe it: {reason}"
        problem = Problem(400, INVALID_PROMPT, message, "invalid_request_error")
        return Answer(problem.reply())


def _with_body(request: ClientRequest, body: bytes) -> ClientRequest:
    headers = tuple(one for one in request.headers if one[0].lower() != b"content-encoding")
    head = (request.method, request.path, headers, body, request.credentials, request.model)
    rest = (request.notes, request.transport, None, request.is_replay, request.version)
    return ClientRequest(*head, *rest)
