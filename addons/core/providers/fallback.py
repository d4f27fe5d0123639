"""The fallbacks of a route: when its own upstream cannot answer now, the next named route is tried and announced.

Works with any plan, because it only inspects steps. Each route has a circuit (`addons.core.routes`): a route that cannot
answer is not asked again before its reset. A thread that moved stays with the route that has its cache until the circuit
of its own route lets it try again. Never changes the route once the client got a byte, and never follows the fallbacks of a
fallback. Invariant: a plan's own retries come first, and each route is tried once; a turn is never refused because of
circuits: without a route that may be asked, its own upstream says why.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from addons.core.codex.threads import SUB_AGENT, USER, thread_id_for
from addons.core.limits import Limits
from addons.core.protocols.responses.notice import begins_with_user, with_notice
from addons.core.protocols.responses.observer import is_plain_stream
from addons.core.protocols.responses.websocket_upstream import is_warm_up
from addons.core.protocols.stream_start import StreamStart
from addons.core.providers.route_states import described
from addons.core.providers.used_up import has_limit_of_its_own, reset_of
from addons.core.routes import Asked, Cause, Circuit, Opening, PlanMaker, Route, route_label
from addons.core.turn import (
    Answer,
    ClientRequest,
    Collect,
    EndsWithTurn,
    Fault,
    FaultKind,
    Head,
    Plan,
    Prepare,
    Relay,
    Reply,
    Send,
    Step,
    StreamLocal,
    WorksInSlices,
    shim_path,
)
from addons.core.upstream.durations import retry_after_seconds
from addons.core.upstream.error_codes import ErrorKind
from addons.core.upstream.error_mapping import refusal_kind

FALLBACK_STATUSES = frozenset({401, 402, 403, 408, 409, 429, 500, 502, 503, 504, 529})
"""Statuses that are specific to one upstream: its login, its limits, its balance and its failures."""
READ_FIRST = frozenset({401, 402, 403, 429, 500})
"""Statuses whose body is read first: it may say how to repair the request, when a limit is reset, or that any upstream
would refuse the content."""
OF_THE_ACCOUNT = frozenset({Cause.USED_UP, Cause.LOGIN})
"""Causes that some upstreams report with status 400: Anthropic a balance, Google a key, LiteLLM a budget."""
CAUSES = {
    ErrorKind.AUTH: Cause.LOGIN,
    ErrorKind.PERMISSION: Cause.LOGIN,
    ErrorKind.QUOTA: Cause.USED_UP,
    ErrorKind.RATE_LIMIT: Cause.USED_UP,
    ErrorKind.OVERLOADED: Cause.FAILING,
    ErrorKind.TIMEOUT: Cause.FAILING,
    ErrorKind.SERVER: Cause.FAILING,
    ErrorKind.MEMORY: Cause.FAILING,
}
"""Kinds of refusals after which a fallback is tried."""
UNREACHABLE_FAULTS = frozenset({FaultKind.CONNECT, FaultKind.TLS})
FALLBACK_HEADER = b"x-codex-shim-fallback"
MAX_THREADS = 1_000
DEFAULT_LIMITS = Limits()
CODING = b"content-encoding"
HELD_BYTES = 1 << 20
"""How much of an answer is read before the client gets it. `response.created` repeats the instructions and the tools."""
NO_HEAD = Head(0)


class MovedThreads:
    """Which route answers a thread in place of its own."""

    __slots__ = ("_routes",)

    def __init__(self) -> None:
        self._routes: OrderedDict[tuple[bytes, str], str] = OrderedDict()

    def route_of(self, request: ClientRequest, slug: str) -> str:
        """Return the slug that last answered for this one; empty if the thread has not moved."""
        return self._routes.get((thread_id_for(request) or b"", slug), "")

    def note(self, request: ClientRequest, slug: str, answering: str) -> None:
        """Note which route answers."""
        thread = thread_id_for(request)
        if thread is None:
            return
        key = (thread, slug)
        self._routes.pop(key, None)
        if answering != slug:
            self._routes[key] = answering
        while len(self._routes) > MAX_THREADS:
            self._routes.popitem(last=False)


def _affords_all(_request: ClientRequest, _route: Route) -> bool:
    """Allow each fallback."""
    return True


@dataclass(slots=True)
class Fallbacks:
    """What the plans of one process share."""

    clock: Callable[[], float]
    """Returns Unix seconds."""
    moved: MovedThreads = field(default_factory=MovedThreads)
    affords: Callable[[ClientRequest, Route], bool] = _affords_all
    """Returns whether the budgets allow a turn on another route than its own."""

    def maker(self, make_plan: PlanMaker, others: Callable[[], Sequence[Route]]) -> PlanMaker:
        """Return a maker of plans that fall back to these routes, in order. `others` is called once per turn."""

        def make(request: ClientRequest, route: Route) -> Plan:
            return FallbackPlan(self, request, route, make_plan(request, route), others())

        return make


class FallbackPlan:
    """One turn that another route may answer."""

    def __init__(
        self,
        shared: Fallbacks,
        request: ClientRequest,
        route: Route,
        first: Plan,
        others: Sequence[Route],
    ) -> None:
        self.first = first
        self._shared = shared
        self._request = request
        self._route = route
        self._plan = first
        self._plans = [first]
        self._is_warm_up = is_warm_up(request.frame)
        # it would be a request that costs money elsewhere
        others = () if self._is_warm_up else others
        left = [other for other in others if other.live and other.slug != route.slug]
        moved_to = shared.moved.route_of(request, route.slug)
        self._left = sorted(left, key=lambda other: other.slug != moved_to)
        self._answering = route
        self._asked = route.circuit.asked
        """What is asked at the route that answers, such as the account: a login may change meanwhile."""
        self._trial: tuple[Circuit, Asked] | None = None
        """The half-open circuit that this turn tries."""
        self._held: Relay | None = None
        """The answer whose begin is read before the client gets any of it."""
        self._begin = StreamStart(HELD_BYTES)
        self._may_return = False
        """Whether the route's own upstream is asked after all when no fallback answers."""
        self._unread: Step | None = None
        """What the plan decided about a head without its body."""
        self._reason = ""
        """Why the route's own upstream does not answer, for the user."""

    def slice(self) -> bool:
        """Let the route's own plan do a part of its work, if it is asked first."""
        is_asked = self._route.live and self._route.circuit.opening is None
        return is_asked and isinstance(self._plan, WorksInSlices) and self._plan.slice()

    def start(self) -> Step:
        """Start the route's own plan, or that of a fallback while the route cannot answer."""
        if not self._left:
            return self._plan.start()
        now = self._shared.clock()
        opening = self._route.circuit.opening
        if not self._route.live:
            self._reason = f"{self._route.slug} cannot be used now"
        elif opening and not self._admits(self._route, now):
            self._reason = described(self._route.slug, opening, now)
            self._may_return = not opening.is_reset or now >= opening.until
        if not self._reason:
            return self._started(self._plan.start())
        return self._next(now) or self._own()

    def _admits(self, route: Route, now: float) -> bool:
        circuit = route.circuit
        is_closed = circuit.opening is None
        if not circuit.admits(now):
            return False
        if not is_closed:
            self._trial = circuit, circuit.asked
        return True

    def _started(self, step: Step) -> Step:
        """Return the first step of a plan. One that answers by itself tries no half-open route."""
        if isinstance(step, Answer):
            self._end_trial()
        if isinstance(step, Send) and (decide := step.decide):
            return step._replace(decide=lambda: self._started(decide()))
        return step

    def _end_trial(self) -> None:
        if self._trial:
            circuit, asked = self._trial
            circuit.trial_ended(asked)
            self._trial = None

    def ended(self) -> None:
        """Let another turn try what this one was to try, if its client left before; end the plans of all routes."""
        self._end_trial()
        for plan in self._plans:
            if isinstance(plan, EndsWithTurn):
                plan.ended()

    def on_head(self, head: Head) -> Step:
        """Fall back when this upstream cannot answer and its plan has no retry left."""
        step = self._plan.on_head(head)
        if isinstance(step, Send):
            return step
        if head.status in READ_FIRST:
            return self._read_first(step)
        if head.status in FALLBACK_STATUSES:
            return self._failed(Cause.FAILING, f"status {head.status}") or step
        if head.status == HTTPStatus.BAD_REQUEST and isinstance(step, Collect):
            return step
        return self._hold(step) or self._answered(step)

    def on_body(self, head: Head, body: bytes) -> Step:
        """Pass on a refusal that any other upstream would repeat; fall back after one that it may not."""
        if held := self._held:
            self._held = None
            return self._begun(held, head, body)
        step = self._refusal(head, body) or self._plan.on_body(head, body)
        if isinstance(step, Send):
            return step
        is_bad_request = head.status == HTTPStatus.BAD_REQUEST
        if head.status not in READ_FIRST and not is_bad_request:
            return self._announced(step)
        now = self._shared.clock()
        wait = retry_after_seconds(head.headers, now)
        kind = refusal_kind(head.status, body, wait, now)
        cause = CAUSES.get(kind)
        is_unknown = cause is None and head.status != HTTPStatus.INTERNAL_SERVER_ERROR
        if is_unknown or (is_bad_request and cause not in OF_THE_ACCOUNT):
            return self._answered(step)
        reset = reset_of(head, body, now)
        opening = self._opening_after(cause or Cause.FAILING, now, reset, head)
        return self._passed(opening, f"status {head.status}") or step

    def on_fault(self, fault: Fault) -> Step:
        """Fall back when this upstream cannot be reached and its plan has no retry left."""
        step = self._plan.on_fault(fault)
        if isinstance(step, Send):
            return step
        cause = Cause.UNREACHABLE if fault.kind in UNREACHABLE_FAULTS else Cause.FAILING
        if self._held:
            # its answer had begun, so it is paid for
            self._held = None
            self._opening_after(cause, self._shared.clock(), None)
            return step
        return self._failed(cause, fault.kind.value) or step

    def _hold(self, step: Step) -> Collect | None:
        """Return the step that reads the begin of an answer, while another route could give it instead."""
        if self._is_warm_up or not self._left or not isinstance(step, Relay):
            return None
        if not is_plain_stream(step.head):
            return None
        self._held = step
        return Collect(HELD_BYTES, self._begin.feed)

    def _begun(self, held: Relay, head: Head, body: bytes) -> Step:
        """Give the client the answer whose begin was read, or fall back if it is the refusal of a used-up limit."""
        now, error = self._shared.clock(), self._begin.error
        if error and CAUSES.get(refusal_kind(None, error, None, now)) is Cause.USED_UP:
            reset = reset_of(head, error, now)
            opening = self._opening_after(Cause.USED_UP, now, reset, head)
            if passed := self._passed(opening, Cause.USED_UP):
                return passed
            return self._announced(held)
        if self._begin.is_clear:
            return self._answered(held)
        # it has ended without an answer, but may be paid for
        self._opening_after(Cause.FAILING, now, None)
        closing = held.translator.feed(body) + held.translator.finish()
        return Answer(Reply(held.head, held.opening + closing))

    def _read_first(self, step: Step) -> Step:
        if isinstance(step, Collect) or not self._left:
            return step
        self._unread = step
        return Collect(DEFAULT_LIMITS.error_body_bytes)

    def _refusal(self, head: Head, body: bytes) -> Answer | None:
        """Return the answer of a plan that did not ask for this body, which comes uncompressed."""
        step, self._unread = self._unread, None
        if isinstance(step, Relay):
            is_plain = head.header(CODING) is None
            headers = tuple(
                each for each in step.head.headers if not (is_plain and each[0].lower() == CODING)
            )
            return Answer(Reply(replace(step.head, headers=headers), body))
        return step if isinstance(step, Answer) else None

    def _answered(self, step: Step) -> Step:
        if self._is_warm_up:
            # nothing was generated: a used-up limit does not show
            return step
        step = self._announced(step)
        self._answering.circuit.succeeded(self._asked)
        self._shared.moved.note(self._request, self._route.slug, self._answering.slug)
        return step

    def _failed(self, cause: Cause, what: str) -> Step | None:
        return self._passed(self._opening_after(cause, self._shared.clock(), None), what)

    def _opening_after(
        self, cause: Cause, now: float, reset: float | None, head: Head = NO_HEAD
    ) -> Opening | None:
        """Tell the circuit of the failure, and return why it is open now."""
        if cause is Cause.USED_UP and has_limit_of_its_own(head):
            return Opening(cause, now if reset is None else reset, is_reset=reset is not None)
        circuit = self._answering.circuit
        circuit.failed(cause, now, reset, self._asked)
        return circuit.opening

    def _passed(self, opening: Opening | None, what: str) -> Step | None:
        """Go to the next route, because the one that was asked does not answer."""
        now, failed = self._shared.clock(), self._answering
        if failed is self._route:
            self._reason = (
                described(failed.slug, opening, now)
                if opening
                else f"{failed.slug} did not answer ({what})"
            )
        step = self._next(now)
        return self._own() if step is None and self._may_return else step

    def _own(self) -> Step:
        """Start the plan of the route itself, whose circuit is open."""
        self._may_return = False
        self._ask(self._route, self.first, "")
        return self._plan.start()

    def _ask(self, route: Route, plan: Plan, reason: str) -> None:
        self._plan, self._answering, self._asked = plan, route, route.circuit.asked
        self._begin = StreamStart(HELD_BYTES)
        self._request.notes.note_route(route.provider, route.model, route_label(route))
        self._request.notes.fallback = reason

    def _next(self, now: float) -> Step | None:
        while self._left:
            route = self._left.pop(0)
            if not self._shared.affords(self._request, route) or not self._admits(route, now):
                continue
            plan = route.make_plan(self._request, route)
            plan = plan.first if isinstance(plan, FallbackPlan) else plan
            self._plans.append(plan)
            step = plan.start()
            # A plan that answers at once cannot help: its key is missing, or it cannot read the request.
            if isinstance(self._started(step), Send | StreamLocal | Prepare):
                self._ask(route, plan, self._reason)
                step = self._announced(step)
                if isinstance(step, StreamLocal):
                    self._shared.moved.note(self._request, self._route.slug, route.slug)
                return step
        return None

    def _announced(self, step: Step) -> Step:
        if self._answering is self._route or not isinstance(step, Relay | StreamLocal):
            return step
        value = ascii(f"{self._route.slug} -> {self._answering.slug}")[1:-1]
        headers = (*step.head.headers, (FALLBACK_HEADER, value.encode()))
        is_stream = is_plain_stream(step.head)
        step = replace(step, head=replace(step.head, headers=headers))
        return self._with_notice(step) if is_stream and self._is_shown else step

    @property
    def _is_shown(self) -> bool:
        """Whether a user sees the answer, and this is the first request of a turn or of the thread on its new route."""
        request, path = self._request, shim_path(self._request.path)
        if not request.expects_stream or path != "/responses":
            return False
        if request.notes.agent not in (USER, SUB_AGENT):
            return False
        has_moved = self._shared.moved.route_of(request, self._route.slug) != self._answering.slug
        return has_moved or begins_with_user(request, DEFAULT_LIMITS.body_bytes)

    def _with_notice(self, step: Relay | StreamLocal) -> Step:
        text = f"**Another model answers**\n\n{self._reason}; answered by {self._answering.slug}."
        translator = with_notice(step.translator, text, DEFAULT_LIMITS.event_bytes)
        if isinstance(step, Relay):
            return replace(step, translator=translator, opening=translator.rewrite(step.opening))
        return replace(step, translator=translator)
