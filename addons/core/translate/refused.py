"""A thread that goes on at another native upstream: reasoning that was encrypted for the one before is refused there.

Nothing in the bytes tells whose it is, so the refusal does: the turn is sent once more without its encrypted reasoning,
and what was refused is kept back from the thread's later turns. Source: `invalid_encrypted_content` (openai/codex#8119,
also with a null code: lidge-jun/opencodex#2269) and "could not decrypt" of others. Never does: look into a body of a
thread that nothing was refused of, keep any reasoning. Invariant: digests of the newest threads alone are kept, and a
turn is sent again once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import replace
from hashlib import blake2b
from http import HTTPStatus

import orjson

from addons.core.errors import Problem
from addons.core.headers import header
from addons.core.threads import thread_of
from addons.core.turn import ClientRequest, Head, WireRequest
from addons.core.wire.peek import decode, encode

FIELD = "encrypted_content"
MARK = b'"encrypted_content"'
MOST_THREADS = 200
MOST_OF_A_THREAD = 2_000
DIGEST_BYTES = 12


class Refused:
    """Thread → digests of the reasoning that its upstream refused."""

    __slots__ = ("_threads",)

    def __init__(self) -> None:
        self._threads: OrderedDict[bytes, frozenset[bytes]] = OrderedDict()

    def of(self, request: ClientRequest) -> frozenset[bytes]:
        """What is to be kept back from a turn; empty for nearly all."""
        return self._threads.get(thread_of(request) or b"", frozenset())

    def note(self, request: ClientRequest, refused: Collection[bytes]) -> None:
        """Remember what was refused. A request that names no thread is asked for anew each time."""
        thread = thread_of(request)
        if thread is None:
            return
        known = self._threads.get(thread, frozenset()) | frozenset(refused)
        if len(known) <= MOST_OF_A_THREAD:
            self._threads[thread] = known
            self._threads.move_to_end(thread)
        while len(self._threads) > MOST_THREADS:
            self._threads.popitem(last=False)


class SecondTry:
    """The one more try of a turn, without its encrypted reasoning."""

    __slots__ = ("_cap", "_done", "_refused", "_request")

    def __init__(self, refused: Refused, request: ClientRequest, cap: int) -> None:
        self._refused = refused
        self._request = request
        self._cap = cap
        self._done = False

    def may_help(self, head: Head, wire: WireRequest) -> bool:
        """Whether a refusal has to be read: it may be one of reasoning that the turn holds."""
        if self._done or head.status != HTTPStatus.BAD_REQUEST:
            return False
        decoded = decode(wire.body, header(wire.headers, b"content-encoding"), self._cap)
        return isinstance(decoded, bytes) and MARK in decoded

    def after(self, refusal: bytes, wire: WireRequest) -> WireRequest | None:
        """The request for the second try; None when it was refused for another reason, or holds no such reasoning."""
        if self._done or not _is_of_reasoning(refusal):
            return None
        self._done = True
        encoding = header(wire.headers, b"content-encoding")
        payload = _payload(decode(wire.body, encoding, self._cap))
        given = payload.get("input")
        items = given if isinstance(given, list) else []
        refused = {digest(blob) for item in items if (blob := encrypted_in(item))}
        if not refused:
            return None
        self._refused.note(self._request, refused)
        kept = [item for item in items if not encrypted_in(item)]
        self._request.record.dropped.append(
            f"reasoning that the upstream refused: {len(refused)} items"
        )
        return replace(wire, body=encode(orjson.dumps({**payload, "input": kept}), encoding))


def encrypted_in(item: object) -> str:
    """The encrypted reasoning of an item; empty when it is another item, or has none."""
    if not isinstance(item, Mapping) or item.get("type") != "reasoning":
        return ""
    blob = item.get(FIELD)
    return blob if isinstance(blob, str) else ""


def digest(blob: str) -> bytes:
    """What stands for a blob."""
    return blake2b(blob.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


def _is_of_reasoning(refusal: bytes) -> bool:
    error = _payload(refusal).get("error")
    said = error if isinstance(error, Mapping) else {"message": error}
    if said.get("code") == "invalid_encrypted_content":
        return True
    words = str(said.get("message")).lower().replace("_", " ")
    return "encrypted content" in words and any(sign in words for sign in ("verif", "decrypt"))


def _payload(text: bytes | Problem) -> Mapping[str, object]:
    try:
        value = orjson.loads(text) if isinstance(text, bytes) else None
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
