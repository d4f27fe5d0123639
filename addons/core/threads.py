"""Which model each of Codex's threads uses: where its helper calls go that name a model nobody offers.

Codex asks for titles and reviews under slugs of its own (`codex-auto-review`), which a user without that account does
not have. Source: the headers `thread-id`, `session-id` and `x-codex-turn-metadata` of Codex 0.169; `request_kind` is
"turn" or "compaction" where the user's own model is meant. Never keeps more than the last threads.
Invariant: a turn of the user's own is never moved to another model.
"""

from __future__ import annotations

from collections import OrderedDict

import orjson

from addons.core.turn import ClientRequest

METADATA = b"x-codex-turn-metadata"
ID_HEADERS = (b"thread-id", b"session-id")
ID_FIELDS = ("thread_id", "parent_thread_id", "session_id")
OWN_KINDS = frozenset({"", "turn", "compaction"})
MOST_THREADS = 1000


class Threads:
    """Thread → the slug that it last used for a turn of the user's own."""

    def __init__(self, most: int = MOST_THREADS) -> None:
        self._most = most
        self._slugs: OrderedDict[str, str] = OrderedDict()

    def note(self, request: ClientRequest, slug: str) -> None:
        """Remember which model this turn uses."""
        for name in ID_HEADERS:
            if value := request.header(name):
                thread = value.decode("latin-1")
                self._slugs[thread] = slug
                self._slugs.move_to_end(thread)
        while len(self._slugs) > self._most:
            self._slugs.popitem(last=False)

    def slug_for_helper(self, request: ClientRequest) -> str | None:
        """The slug of the thread that a helper call belongs to; None when this is no helper call."""
        metadata = _metadata(request)
        kind = metadata.get("request_kind", "")
        if not isinstance(kind, str) or kind in OWN_KINDS:
            return None
        headers = (request.header(name) for name in ID_HEADERS)
        ids = [value.decode("latin-1") for value in headers if value]
        ids += [str(metadata[name]) for name in ID_FIELDS if name in metadata]
        return next((self._slugs[one] for one in ids if one in self._slugs), None)


def thread_of(request: ClientRequest) -> bytes | None:
    """The id of the thread that a request belongs to, as its client names it."""
    return next((value for name in ID_HEADERS if (value := request.header(name))), None)


def _metadata(request: ClientRequest) -> dict[str, object]:
    try:
        value = orjson.loads(request.header(METADATA) or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
