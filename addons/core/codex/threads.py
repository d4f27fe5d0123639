"""Tells Codex's helper calls from the user's turns, and remembers which model each thread uses.

Codex makes calls of its own for titles, reviews, approvals and memories, under slugs that a user without that account
does not have (`codex-auto-review`, `gpt-6-luna`, `gpt-6.1-terra`). Source: requests of Codex 0.169 and 0.171. Reviews,
approvals, sub-agents and the consolidation of memories say "turn" in `request_kind`, and other marks name them. Memories
are written before the first turn of their thread. Never keeps more than the most recent threads. Invariant: a turn of
the user is never moved to another model.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import orjson

from addons.core.headers import by_name
from addons.core.turn import ClientRequest, printable

METADATA = b"x-codex-turn-metadata"
SUBAGENT = b"x-openai-subagent"
MEMGEN = b"x-openai-memgen-request"
PARENT = b"x-codex-parent-thread-id"
PURPOSE = b"codex-shim-purpose"
"""Marks a request that this program makes itself, and says what for. No upstream gets it."""
ID_HEADERS: tuple[bytes, ...] = (b"thread-id", b"session-id")
ID_FIELDS = ("thread_id", "parent_thread_id", "session_id")
USER_KINDS = frozenset({"", "turn", "compaction", "prewarm"})
USER, SUB_AGENT, PICTURE = "user", "sub-agent", "picture"
WHAT_IF = "what-if"
"""Asks another model the same as a turn that has ended."""
EXACT = frozenset({PICTURE, WHAT_IF})
"""Whose requests go to no other model than the one that they name."""
REVIEW, AUTO_REVIEW, MEMORIES, TITLE = "review", "auto-review", "memories", "title"
AGENTS: Mapping[str, str] = {
    "": USER,
    "user": USER,
    "compact": USER,
    "subagent": SUB_AGENT,
    "collab_spawn": SUB_AGENT,
    "thread_spawn": SUB_AGENT,
    "review": REVIEW,
    "guardian": AUTO_REVIEW,
    "guardian_review": AUTO_REVIEW,
    "auto_review": AUTO_REVIEW,
    "memory": MEMORIES,
    "memory_consolidation": MEMORIES,
    "thread_title": TITLE,
}
"""The names that Codex gives to who makes a call."""
HELPER_SLUGS: Mapping[str, str] = {"codex-auto-review": AUTO_REVIEW}
"""Slugs that no user can choose. `gpt-6.1-terra` is not one: it is also a model of the user."""
MAX_THREADS = 1000


def agent_of(request: ClientRequest, slug: str) -> str:
    """Return who makes a request: the user, a sub-agent, or the kind of a helper call."""
    headers = by_name(request.headers)
    if named := headers.get(PURPOSE) or headers.get(SUBAGENT):
        return _agent(named.decode("latin-1"))
    if headers.get(MEMGEN):
        return MEMORIES
    if not (metadata := metadata_of(request)):
        return HELPER_SLUGS.get(slug, USER)
    kind = metadata.get("request_kind", "")
    if isinstance(kind, str) and kind not in USER_KINDS:
        return _agent(kind)
    for field in ("subagent_kind", "thread_source"):
        value = metadata.get(field)
        agent = AGENTS.get(value, USER) if isinstance(value, str) else USER
        if agent != USER:
            return agent
    return HELPER_SLUGS.get(slug, USER)


class Threads:
    """Maps each thread to the slug of its latest turn."""

    def __init__(self, max_threads: int = MAX_THREADS) -> None:
        self._max_threads = max_threads
        self._slugs: OrderedDict[str, str] = OrderedDict()
        self.last_slug = ""
        """The slug of the user's latest turn; empty before the first one."""

    def note(self, request: ClientRequest, slug: str, agent: str = USER) -> None:
        """Record the model of this turn. A helper call changes no thread's model."""
        if agent == USER:
            self.last_slug, names = slug, ID_HEADERS
        elif agent == SUB_AGENT:
            # it shares the session of its parent
            names = ID_HEADERS[:1]
        else:
            return
        headers = by_name(request.headers)
        for name in names:
            if value := headers.get(name):
                thread = value.decode("latin-1")
                self._slugs[thread] = slug
                self._slugs.move_to_end(thread)
        while len(self._slugs) > self._max_threads:
            self._slugs.popitem(last=False)

    def slug_for(self, request: ClientRequest) -> str | None:
        """Return the slug of the thread that a call belongs to; None for unknown threads."""
        metadata = metadata_of(request)
        headers = (request.header(name) for name in (ID_HEADERS[0], PARENT, ID_HEADERS[1]))
        ids = [value.decode("latin-1") for value in headers if value]
        ids += [str(metadata[name]) for name in ID_FIELDS if name in metadata]
        return next((self._slugs[one] for one in ids if one in self._slugs), None)


def thread_id_for(request: ClientRequest) -> bytes | None:
    """Return the client's id of the thread that a request belongs to; None without one."""
    for name in ID_HEADERS:
        if value := request.header(name):
            return value
    return None


def root_thread_for(request: ClientRequest) -> bytes | None:
    """Return the id of the user's thread that the call of a sub-agent or of a helper belongs to: it shares its session."""
    names = (ID_HEADERS[1], PARENT, ID_HEADERS[0])
    return next(filter(None, map(request.header, names)), None)


def parent_thread_for(request: ClientRequest) -> bytes | None:
    """Return the id of the thread that started the sub-agent of this call, as far as the client says it."""
    return request.header(PARENT)


def thread_id_in_metadata(request: ClientRequest) -> bytes | None:
    """Return the thread id in the turn's metadata, the only one of a request other than a turn; None without one."""
    value = metadata_of(request).get("thread_id")
    return value.encode("utf-8", "replace") if isinstance(value, str) else None


def _agent(name: str) -> str:
    return AGENTS.get(name) or printable(name)


def metadata_of(request: ClientRequest) -> dict[str, object]:
    """Return what Codex says about a turn in its metadata; nothing if it says nothing."""
    if not (text := request.header(METADATA)):
        return {}
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
