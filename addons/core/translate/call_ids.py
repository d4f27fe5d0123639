"""Call ids as each upstream takes them. A thread may hold ids that another provider made.

Source: "string too long. Expected a string with maximum length 40" (OpenAI; agno-agi/agno#5382), "must be a-z, A-Z, 0-9,
with a length of 9" (Mistral; langchain-ai/langchain#24668), `^[a-zA-Z0-9_-]+$` (Anthropic). Invariant: a pure function
of the id, so that a call and its output meet and a cached prompt is found again; an id that is allowed stays as it is.
"""

from __future__ import annotations

import hashlib
import re
import string

LONGEST_OPENAI = 40
LONGEST_ANTHROPIC = 64
MISTRAL_LENGTH = 9
DIGEST_LENGTH = 12

_ALPHABET = string.digits + string.ascii_letters
_MISTRAL = re.compile(r"[a-zA-Z0-9]{9}\Z")
_ILLEGAL = re.compile(r"[^a-zA-Z0-9_-]")


def openai_id(call_id: str) -> str:
    """At most 40 characters."""
    return call_id if len(call_id) <= LONGEST_OPENAI else _shortened(call_id, LONGEST_OPENAI)


def anthropic_id(call_id: str) -> str:
    """Letters, digits, `_` and `-`."""
    if call_id and len(call_id) <= LONGEST_ANTHROPIC and not _ILLEGAL.search(call_id):
        return call_id
    return _shortened(call_id, LONGEST_ANTHROPIC)


def mistral_id(call_id: str) -> str:
    """Nine letters and digits."""
    if _MISTRAL.match(call_id):
        return call_id
    number = int.from_bytes(_digest(call_id))
    characters = []
    for _ in range(MISTRAL_LENGTH):
        number, place = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[place])
    return "".join(characters)


def _shortened(call_id: str, longest: int) -> str:
    """Its legal characters and a digest that tells it from others."""
    head = _ILLEGAL.sub("_", call_id)[: longest - DIGEST_LENGTH - 1]
    return f"{head}_{_digest(call_id).hex()[:DIGEST_LENGTH]}"


def _digest(call_id: str) -> bytes:
    return hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).digest()
