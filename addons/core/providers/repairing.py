"""The repairs of one turn: after a refusal, the changed request that is sent once more, and what is learnt from it.

Never sends, reads a clock or repairs after the client's answer began. Invariants: at most `MAX_REPAIRS` requests more;
each differs from every one that was refused; a change that did not help is taken back; only a change that the upstream
then accepted is kept in the store for later turns, and none after a refusal that may come from a temporary fault.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import orjson

from addons.core.errors import Problem
from addons.core.headers import header
from addons.core.json_values import as_object
from addons.core.limits import Limits
from addons.core.masking.mask import TurnMask
from addons.core.protocols.request_body import decode
from addons.core.turn import EndsWithTurn, Head, Plan, Send, Step, TurnNotes, UpstreamRequest
from addons.core.upstream.error_mapping import quotable
from addons.core.upstream.refusal import Refusal, read_refusal
from addons.core.upstream.repairs import MAX_REPAIRS, REPAIRABLE, is_temporary, proposals
from addons.core.upstream.sent import Change, Sent
from addons.core.upstream.target import Target
from addons.core.upstream.traits import (
    Trait,
    Traits,
    TraitsStore,
    adapted,
    row_field_against,
)

MAX_REFUSAL_TEXT = 300
"""Characters of a refusal that are kept with a trait."""
SUCCESS = range(200, 300)

WriteRequest = Callable[[Traits, Target], UpstreamRequest | Problem]
OtherProtocol = Callable[[], Plan]


@dataclass(frozen=True, slots=True)
class _Pending:
    """A change that was sent and is not accepted yet."""

    change: Change
    traits: tuple[Trait, ...]
    before: Traits
    sent: UpstreamRequest
    """The refused request that the change starts from."""
    refusal: Refusal


class TurnRepairs:
    """The repairs of one turn of a row."""

    __slots__ = (
        "_base",
        "_count",
        "_notes",
        "_other",
        "_pending",
        "_refused",
        "_store",
        "_tried",
        "advice",
        "other_plan",
        "target",
        "traits",
    )

    def __init__(
        self,
        base: Target,
        store: TraitsStore,
        known: tuple[Traits, Target],
        notes: TurnNotes,
        other: OtherProtocol | None,
    ) -> None:
        self._base = base
        self._store = store
        self._notes = notes
        self._other = other
        """Makes the plan of the same turn in the other protocol of the same upstream."""
        self._count = 0
        self._pending: _Pending | None = None
        self._refused: list[UpstreamRequest] = []
        self._tried: set[str] = set()
        self.traits, self.target = known
        self.advice = ""
        """The field of the row that a repair would have overridden."""
        self.other_plan: Plan | None = None
        """The plan that answers this turn in the other protocol."""
        if other and self._wants_other_protocol():
            self.other_plan = other()

    def request_after(
        self, head: Head, body: bytes, sent: UpstreamRequest, write: WriteRequest
    ) -> Step | None:
        """Return the step that sends the repaired turn; None if nothing can be repaired."""
        if head.status not in REPAIRABLE:
            return None
        refusal = read_refusal(head.status, body)
        self._refused.append(sent)
        return self._next(refusal, self._settled(refusal, sent), write)

    @property
    def is_provisional(self) -> bool:
        """Whether the last change is not accepted yet."""
        return self._pending is not None

    def accepted(self) -> None:
        """Keep the change that made this attempt succeed."""
        if self._pending:
            self._keep(self._pending)
            self._pending = None

    def take_back(self) -> None:
        """Take back the change that is not accepted yet."""
        pending, self._pending = self._pending, None
        if pending:
            _end(self.other_plan)
            self.traits, self.other_plan = pending.before, None
            self.target = adapted(self._base, self.traits)

    def without_other(self, write: WriteRequest) -> Step | None:
        """Return the next repair after the other protocol was refused too."""
        pending = self._pending
        if pending is None:
            return None
        self.take_back()
        return self._next(pending.refusal, pending.sent, write)

    def _settled(self, refusal: Refusal, sent: UpstreamRequest) -> UpstreamRequest:
        """Keep the last change if the refusal has another reason now; else take it back.

        Return the request that the next change starts from.
        """
        pending = self._pending
        if pending and refusal.identity == pending.refusal.identity:
            self.take_back()
            return pending.sent
        self.accepted()
        return sent

    def _next(self, refusal: Refusal, sent: UpstreamRequest, write: WriteRequest) -> Step | None:
        if self._count >= MAX_REPAIRS:
            return None
        shown = Sent(self.target, _json(sent), _key_header(sent))
        for change in proposals(refusal, shown):
            if repr(change) in self._tried or self._contradicts_row(change):
                continue
            self._tried.add(repr(change))
            if step := self._try(change, refusal, sent, write):
                return step
        return None

    def _contradicts_row(self, change: Change) -> bool:
        base = self._base
        fields = (row_field_against(base, Trait(name, value)) for name, value in change.traits)
        field = next(filter(None, fields), "")
        self.advice = self.advice or field
        return bool(field)

    def _try(
        self, change: Change, refusal: Refusal, sent: UpstreamRequest, write: WriteRequest
    ) -> Step | None:
        quote = _masked_text(refusal, sent)
        traits = tuple(Trait(name, value, refusal_text=quote) for name, value in change.traits)
        before, self.traits = self.traits, self.traits.extended(traits, change.items)
        self.target = adapted(self._base, self.traits)
        self._pending = _Pending(change, traits, before, sent, refusal)
        step = self._other_step() if self._wants_other_protocol() else None
        if step is None and not self._wants_other_protocol():
            step = self._changed(write(self.traits, self.target))
        if step is None:
            self.take_back()
            return None
        self._count += 1
        self._notes.repairs.append(change.what)
        return step

    def _changed(self, request: UpstreamRequest | Problem) -> Send | None:
        """Return the step that sends a request; None if it was refused before."""
        if isinstance(request, Problem) or any(_is_same(request, one) for one in self._refused):
            return None
        return Send(request)

    def _wants_other_protocol(self) -> bool:
        return self.traits.value("protocol") not in {None, str(self._base.protocol)}

    def _other_step(self) -> Step | None:
        if self._other is None:
            return None
        plan = self._other()
        step = plan.start()
        if not isinstance(step, Send):
            _end(plan)
            return None
        self.other_plan = plan
        return step

    def _keep(self, pending: _Pending) -> None:
        if is_temporary(pending.refusal):
            return
        items = pending.change.items
        self._store.learn(self._base.traits_scope, pending.traits, items)


def _end(plan: Plan | None) -> None:
    """Let a plan that decides nothing more release what it holds."""
    if isinstance(plan, EndsWithTurn):
        plan.ended()


def _is_same(one: UpstreamRequest, other: UpstreamRequest) -> bool:
    """Return whether two requests mean the same: the order of the fields of an object has no meaning."""
    if (one.path, one.headers) != (other.path, other.headers):
        return False
    if [key.name for key in one.secrets] != [key.name for key in other.secrets]:
        return False
    return one.body == other.body or (bool(body := _json(one)) and body == _json(other))


def _masked_text(refusal: Refusal, sent: UpstreamRequest) -> str:
    """Return the beginning of what the upstream said, without anything secret that it repeats."""
    mask = TurnMask()
    mask.add(one.secret for one in sent.secrets)
    mask.add(sent.body_secrets)
    return quotable(mask.current.text(refusal.text))[:MAX_REFUSAL_TEXT]


def _key_header(sent: UpstreamRequest) -> str:
    return sent.secrets[0].name.decode("latin-1").lower() if sent.secrets else ""


def _json(sent: UpstreamRequest) -> dict[str, object]:
    encoding = header(sent.headers, b"content-encoding")
    body = decode(sent.body, encoding, Limits().body_bytes)
    try:
        return dict(as_object(orjson.loads(body))) if isinstance(body, bytes) else {}
    except orjson.JSONDecodeError:
        return {}
