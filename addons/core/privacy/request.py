"""Which strings of a request body are text that may hold private values, and in which order they are masked.

A name or a description of a tool is text; ids, kinds, names, keys of caches, encrypted content and the data of pictures and
files are not: they must stay as they are, or say nothing. What the client adds freely, such as metadata, is text under
every key. The first in the order is what precedes the conversation in every prompt.

Source: OpenAI API reference, "Create a response"; requests of Codex 0.169 and 0.171. Never changes the given value.
Invariant: a body without a private value is returned as the same object; only strings differ in any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from addons.core.json_values import JsonDict
from addons.core.privacy.masker import TextMasker
from addons.core.protocols.canonical.opaque_reasoning import unwrap, wrap
from addons.core.protocols.responses.compaction import COMPACTION_SCOPE

FIRST = ("instructions", "prompt", "tools", "text", "tool_choice", "input")
"""The members of a body in the order of the upstream's prompt; all others follow."""
STRUCTURAL = frozenset(
    {
        "authorization", "background", "call_id", "connector_id", "container", "conversation", "file_data", "file_id",
        "headers", "id", "image_url", "item_id", "model", "name", "namespace", "previous_response_id",
        "prompt_cache_key", "response_id", "role", "server_label", "server_url", "service_tier", "status", "type",
        "vector_store_ids",
    }
)  # fmt: skip
"""Members of items and tools that are no text. `headers` and `authorization` are the upstream's login to an MCP server."""
FREE = frozenset(
    {
        "action",
        "arguments",
        "attributes",
        "client_metadata",
        "env",
        "metadata",
        "parameters",
        "schema",
        "variables",
    }
)
"""Members whose own members have names of the client's choice."""
JSON_TEXT = "arguments"
OPAQUE = "encrypted_content"
_PICTURES = frozenset({"image_generation_call"})
_PICTURE = "result"
MAX_DEPTH = 200

Change = Callable[[str], str]


class TextWalk:
    """Changes the texts of a JSON value. `text` takes plain text, `json_text` a text that is JSON itself."""

    def __init__(self, text: Change, json_text: Change) -> None:
        self._text, self._json_text = text, json_text

    def body(self, body: JsonDict) -> JsonDict:
        """Return a request body with changed texts."""
        names = [
            *(name for name in FIRST if name in body),
            *(name for name in body if name not in FIRST),
        ]
        changed = {name: self.member(name, body[name]) for name in names}
        return _kept(body, changed)

    def member(self, name: str, value: object, *, is_free: bool = False, depth: int = 0) -> object:
        """Return the value of a member with changed texts: the same object if there is none."""
        if isinstance(value, str):
            return self._string(name, value, is_free=is_free)
        if name in STRUCTURAL and not is_free:
            return value
        if depth > MAX_DEPTH:
            msg = "the value is nested too deeply"
            raise RecursionError(msg)
        if isinstance(value, list):
            items = [self.member(name, one, is_free=is_free, depth=depth + 1) for one in value]
            return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
        if isinstance(value, dict):
            return self._object(name, value, is_free=is_free, depth=depth + 1)
        return value

    def _object(self, name: str, value: JsonDict, *, is_free: bool, depth: int) -> JsonDict:
        is_free = is_free or name in FREE
        is_picture = not is_free and value.get("type") in _PICTURES
        changed = {
            key: one
            if is_picture and key == _PICTURE
            else self.member(key, one, is_free=is_free, depth=depth)
            for key, one in value.items()
        }
        return _kept(value, changed)

    def _string(self, name: str, value: str, *, is_free: bool) -> str:
        if name == OPAQUE:
            return self._summary(value)
        if is_free:
            return self._text(value)
        if name in STRUCTURAL:
            return value
        return self._json_text(value) if name == JSON_TEXT else self._text(value)

    def _summary(self, content: str) -> str:
        """Change the summary of a compaction that this program wrote; any other opaque content is left alone."""
        data = unwrap(content, COMPACTION_SCOPE)
        summary = data.get("summary") if data else None
        if data is None or not isinstance(summary, str):
            return content
        changed = self._text(summary)
        return (
            content if changed == summary else wrap(COMPACTION_SCOPE, {**data, "summary": changed})
        )


def _kept(value: JsonDict, changed: Mapping[str, object]) -> JsonDict:
    """Return the changed members in their first order, or the same object if none was changed."""
    if all(changed[name] is one for name, one in value.items()):
        return value
    return {name: changed[name] for name in value}


def masked_body(body: JsonDict, masker: TextMasker) -> JsonDict:
    """Return a request body with placeholders: the same object if it holds nothing private."""
    return TextWalk(masker.text, masker.json_text).body(body)
