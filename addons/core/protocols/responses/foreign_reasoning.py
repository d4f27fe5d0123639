"""Keeps reasoning of another service out of native Responses requests, where it would end the thread for good.

Three kinds are handled. Items that the shim wrote in translated turns are removed; a compaction that it wrote becomes
plain text, because the turns before it would be lost. Encrypted reasoning of another native upstream cannot be
recognized, so the upstream's refusal is: the turn is sent once more without it, and what was refused is removed from
later requests of the thread.

Source: "Item with id 'rs_…' not found" (farion1231/cc-switch#5825), `invalid_encrypted_content` (openai/codex#17541 and
#8119; with a null code: lidge-jun/opencodex#2269), "could not decrypt" of other upstreams. Never parses a body that
needs no change, never keeps reasoning, only digests of it. Invariant: a body that needs no change is returned as the
same object; a turn is retried once.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import cache
from hashlib import blake2b
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson

from addons.core.codex.threads import thread_id_for
from addons.core.errors import Problem
from addons.core.headers import header
from addons.core.protocols.canonical.opaque_reasoning import MARK, REASONING_ID_PREFIX
from addons.core.protocols.request_body import decode, encode
from addons.core.protocols.responses.compaction import COMPACTION_TYPES, read_compaction
from addons.core.protocols.responses.handover import (
    AGENT_MESSAGE,
    holds_plain_content,
    readable_message,
)
from addons.core.turn import ClientRequest, Head, UpstreamRequest

SHIM_MARKS = (MARK.encode(), b'"%b_' % REASONING_ID_PREFIX.encode())
"""A body without these bytes holds no item that the shim wrote."""
ENCRYPTED_FIELD = "encrypted_content"
ENCRYPTED_MARK = b'"encrypted_content"'
MAX_THREADS = 200
MAX_DIGESTS_PER_THREAD = 2_000
DIGEST_BYTES = 12


if TYPE_CHECKING:
    from pydantic_core import SchemaValidator


@cache
def _marks() -> SchemaValidator:
    """Return what finds the marks of a body that needs a change, all at once.

    `in` takes 4 to 10 ms for each mark that 10 MB do not hold. The regex engine of pydantic takes 1.5 ms for all.
    """
    from pydantic_core import SchemaValidator, core_schema  # noqa: PLC0415  commands do without

    marks = (*(mark.decode() for mark in SHIM_MARKS), f'"{AGENT_MESSAGE}"')
    pattern = "|".join(map(re.escape, marks))
    return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))


class RejectedReasoning:
    """Digests of the encrypted reasoning that upstreams refused, by thread."""

    __slots__ = ("_threads",)

    def __init__(self) -> None:
        self._threads: OrderedDict[bytes, frozenset[bytes]] = OrderedDict()

    def digests_for(self, request: ClientRequest) -> frozenset[bytes]:
        """Return the digests of a request's thread; empty for nearly all threads."""
        return self._threads.get(thread_id_for(request) or b"", frozenset())

    def add(self, request: ClientRequest, digests: Collection[bytes]) -> None:
        """Remember refused reasoning, if the request names its thread."""
        thread = thread_id_for(request)
        if thread is None:
            return
        known = self._threads.get(thread, frozenset()) | frozenset(digests)
        if len(known) <= MAX_DIGESTS_PER_THREAD:
            self._threads[thread] = known
            self._threads.move_to_end(thread)
        while len(self._threads) > MAX_THREADS:
            self._threads.popitem(last=False)


def native_body(
    request: ClientRequest, body: bytes, cap: int, rejected: Collection[bytes] = ()
) -> bytes | Problem:
    """Return the body without items that only the shim can read, and without `rejected` reasoning.

    A message between agents that nobody encrypted becomes text. Each removed item is noted in the turn's record.
    """
    encoding = request.header(b"content-encoding")
    decoded = decode(body, encoding, cap)
    if isinstance(decoded, Problem):
        return decoded
    # what is not UTF-8 never matches, and is no JSON
    if not rejected and not _marks().isinstance_python(decoded):
        return body
    is_foreign = rejected or any(mark in decoded for mark in SHIM_MARKS)
    if not is_foreign and not holds_plain_content(decoded):
        return body
    items, payload = _input_of(decoded)
    if items is None:
        return body
    kept = list(_native_items(items, rejected, request.notes.dropped))
    return body if kept == items else encode(orjson.dumps({**payload, "input": kept}), encoding)


def _native_items(
    items: list[object], rejected: Collection[bytes], dropped: list[str]
) -> Iterator[object]:
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            yield item
        elif _is_shim_reasoning(item) or reasoning_digest(encrypted_reasoning(item)) in rejected:
            dropped.append(f"input[{index}]: reasoning of another upstream")
        else:
            yield readable_message(_with_plain_summary(item))


def _is_shim_reasoning(item: Mapping[str, object]) -> bool:
    item_id, blob = item.get("id"), item.get(ENCRYPTED_FIELD)
    return item.get("type") == "reasoning" and (
        (isinstance(item_id, str) and item_id.startswith(f"{REASONING_ID_PREFIX}_"))
        or (isinstance(blob, str) and blob.startswith(MARK))
    )


def _with_plain_summary(item: Mapping[str, object]) -> Mapping[str, object]:
    summary = read_compaction(item) if item.get("type") in COMPACTION_TYPES else None
    if summary is None:
        return item
    return {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": summary}],
    }


class ReasoningRetry:
    """The single retry of a turn without its encrypted reasoning."""

    __slots__ = ("_cap", "_done", "_rejected", "_request")

    def __init__(self, rejected: RejectedReasoning, request: ClientRequest, cap: int) -> None:
        self._rejected = rejected
        self._request = request
        self._cap = cap
        self._done = False

    def may_apply(self, head: Head, sent: UpstreamRequest) -> bool:
        """Return whether the body of an answer must be read: it may refuse reasoning that was sent."""
        if self._done or head.status != HTTPStatus.BAD_REQUEST:
            return False
        decoded = decode(sent.body, header(sent.headers, b"content-encoding"), self._cap)
        return isinstance(decoded, bytes) and ENCRYPTED_MARK in decoded

    def request_after(self, refusal: bytes, sent: UpstreamRequest) -> UpstreamRequest | None:
        """Return the request for the retry; None if the refusal has another reason."""
        if self._done or not _refuses_reasoning(refusal):
            return None
        self._done = True
        encoding = header(sent.headers, b"content-encoding")
        items, payload = _input_of(decode(sent.body, encoding, self._cap))
        rejected = {
            reasoning_digest(blob) for item in items or () if (blob := encrypted_reasoning(item))
        }
        if not items or not rejected:
            return None
        self._rejected.add(self._request, rejected)
        kept = [item for item in items if not encrypted_reasoning(item)]
        self._request.notes.dropped.append(
            f"reasoning that the upstream refused: {len(rejected)} items"
        )
        return replace(sent, body=encode(orjson.dumps({**payload, "input": kept}), encoding))


def encrypted_reasoning(item: object) -> str:
    """Return the encrypted content of a reasoning item; empty for any other item."""
    if not isinstance(item, Mapping) or item.get("type") != "reasoning":
        return ""
    blob = item.get(ENCRYPTED_FIELD)
    return blob if isinstance(blob, str) else ""


def reasoning_digest(blob: str) -> bytes:
    """Return the digest that identifies encrypted reasoning."""
    return blake2b(blob.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


def _refuses_reasoning(refusal: bytes) -> bool:
    error = _json_object(refusal).get("error")
    details = error if isinstance(error, Mapping) else {"message": error}
    if details.get("code") == "invalid_encrypted_content":
        return True
    message = str(details.get("message")).lower().replace("_", " ")
    return "encrypted content" in message and any(verb in message for verb in ("verif", "decrypt"))


def _input_of(decoded: bytes | Problem) -> tuple[list[object] | None, Mapping[str, object]]:
    """Return the input items and the payload of a body; None for the items if it has none."""
    payload = _json_object(decoded)
    items = payload.get("input")
    return items if isinstance(items, list) else None, payload


def _json_object(text: bytes | Problem) -> Mapping[str, object]:
    try:
        value = orjson.loads(text) if isinstance(text, bytes) else None
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
