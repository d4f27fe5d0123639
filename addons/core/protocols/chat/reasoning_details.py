"""OpenRouter's `reasoning_details`: what a user may see of them, and the objects that the fragments of a stream make up.

Source: OpenRouter, "Reasoning tokens". Never reads a signature or encrypted data. Invariant: total; fragments with one
index become one object, in the order of their first fragments, and an object without an index stays as it was sent.
"""

from __future__ import annotations

from collections.abc import Mapping

from addons.core.json_values import as_object, as_str

JOINED_FIELDS = ("text", "summary", "data")
"""What fragments continue. Any other field is that of the last fragment that has it."""


def visible_details(details: list[object]) -> str:
    """Return the plain text and summaries, without encrypted parts."""
    return "".join(
        as_str(as_object(detail).get("text")) or as_str(as_object(detail).get("summary"))
        for detail in details
    )


def merged_details(fragments: list[object]) -> list[object]:
    """Return whole objects: a server that gets a signature without its text refuses it."""
    merged: list[object] = []
    by_index: dict[tuple[object, str], dict[str, object]] = {}
    for fragment in fragments:
        detail = as_object(fragment)
        index = detail.get("index")
        if not isinstance(index, int):
            merged.append(fragment)
            continue
        key = index, as_str(detail.get("type"))
        if key in by_index:
            _extend(by_index[key], detail)
        else:
            by_index[key] = whole = dict(detail)
            merged.append(whole)
    return merged


def _extend(whole: dict[str, object], fragment: Mapping[str, object]) -> None:
    for name, value in fragment.items():
        before = whole.get(name)
        if name in JOINED_FIELDS and isinstance(before, str) and isinstance(value, str):
            whole[name] = before + value
        elif value is not None:
            whole[name] = value
