"""Reads and changes the model provider in a rollout, the file in which Codex records a thread. Pure.

A rollout has one JSON object per line. Two kinds of lines name the provider: `session_meta`, the first line, and the event
`thread_settings_applied`. Codex stores byte offsets into a rollout elsewhere: in `thread_history_1.sqlite`, and in the first
line of every fork of the thread. Therefore no line changes its length: the longer name takes its bytes from the spaces that
an earlier move left behind it, or from the fraction of the line's timestamp; a shorter name is followed by spaces.
Measured with Codex 0.169 and 0.171, which read such lines as before.

Never does: write a line that Codex wrote otherwise. Invariant: `apply` keeps the length, `revert` after `apply` returns the
same bytes, and a changed line differs only in the provider, in the fraction of its timestamp and in spaces.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from addons.core.codex.provider_config import PROVIDER_ID

BUILT_IN = "openai"
"""Codex's own provider, which it uses without a config."""
MOVABLE = frozenset({BUILT_IN, PROVIDER_ID})
META, SETTINGS = "session_meta", "thread_settings_applied"
PLACES = {META: ("payload", "model_provider"), SETTINGS: ("payload", "thread_settings", "model_provider_id")}  # fmt: skip
"""Kind of line → the members that lead to the provider."""
_MARKS = (META.encode(), SETTINGS.encode())
_FRACTION = re.compile(r"(\.\d+)(?:Z|[+-]\d\d:\d\d)\"$")
_DECODER = json.JSONDecoder()


class RolloutError(Exception):
    """The rollout cannot be changed. The message says why, without its path."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One replacement: at this offset, `new` stands in place of `old`. Both have the same length."""

    offset: int
    old: bytes
    new: bytes


@dataclass(frozen=True, slots=True)
class ThreadMeta:
    """What the first line says about its thread."""

    thread_id: str
    provider: str
    parent: str = ""
    """The thread that started this one as its sub-agent."""


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int


def read_meta(line: bytes) -> ThreadMeta | None:
    """Return what the first line of a rollout says; None when it is not one."""
    record = _record(line)
    payload = record.get("payload")
    if record.get("type") != META or not isinstance(payload, dict):
        return None
    provider = payload.get("model_provider")
    thread_id = payload.get("id")
    if not isinstance(thread_id, str):
        return None
    return ThreadMeta(
        thread_id, provider if isinstance(provider, str) else "", _parent(payload.get("source"))
    )


def edits_for(
    content: bytes, thread_id: str, sources: Collection[str], target: str, start: int = 0
) -> list[Edit]:
    """Return the edits that name `target` wherever the thread has a provider of `sources`, from `start` on.

    Raises RolloutError when a line has no room for the name.
    """
    found = []
    offset = start
    for line in content[start:].splitlines(keepends=True):
        if any(mark in line for mark in _MARKS) and line.endswith(b"\n"):
            edit = _edit_line(line, thread_id, sources, target)
            if edit:
                found.append(Edit(offset + edit.offset, edit.old, edit.new))
        offset += len(line)
    return found


def apply(content: bytes, edits: Sequence[Edit]) -> bytes:
    """Return the content with `new` at every edit. Raises RolloutError when it does not have `old` there."""
    return _replaced(content, [(edit.offset, edit.old, edit.new) for edit in edits])


def revert(content: bytes, edits: Sequence[Edit]) -> bytes:
    """Return the content with `old` at every edit. Raises RolloutError when it does not have `new` there."""
    return _replaced(content, [(edit.offset, edit.new, edit.old) for edit in edits])


def is_applied(content: bytes, edits: Sequence[Edit]) -> bool:
    """Return whether the content has `new` at every edit."""
    return all(content.startswith(edit.new, edit.offset) for edit in edits)


def _replaced(content: bytes, replacements: Sequence[tuple[int, bytes, bytes]]) -> bytes:
    result = bytearray(content)
    for offset, old, new in replacements:
        if not content.startswith(old, offset):
            msg = "it has been rewritten"
            raise RolloutError(msg)
        result[offset : offset + len(old)] = new
    return bytes(result)


def _edit_line(line: bytes, thread_id: str, sources: Collection[str], target: str) -> Edit | None:
    record = _record(line)
    kind = _kind(record, thread_id)
    if kind is None or _value(record, PLACES[kind]) not in sources:
        return None
    # One character per byte: positions in the text are offsets in the line.
    text = line.decode("latin-1")
    token = _find(text, PLACES[kind])
    stamp = _find(text, ("timestamp",))
    if token is None:
        return None
    return _renamed(text, token, stamp, json.dumps(target))


def _kind(record: dict[str, object], thread_id: str) -> str | None:
    payload = record.get("payload")
    if not isinstance(payload, dict):
        return None
    if record.get("type") == META:
        # A fork of an older Codex begins with its own line and goes on with that of its parent.
        return META if payload.get("id") == thread_id else None
    is_settings = record.get("type") == "event_msg" and payload.get("type") == SETTINGS
    return SETTINGS if is_settings else None


def _renamed(text: str, token: _Span, stamp: _Span | None, name: str) -> Edit:
    """Return the edit that puts `name` in place of the token and keeps the length of the line."""
    after = len(text[token.end :]) - len(text[token.end :].lstrip(" "))
    missing = len(name) - (token.end - token.start) - after
    if missing <= 0:
        old = text[token.start : token.end + after]
        return _edit(token.start, old, name.ljust(len(old)))
    fraction = _fraction(text, stamp) if stamp and stamp.end <= token.start else None
    if fraction is None or fraction.end - fraction.start < missing:
        msg = f"a line that names its provider has no room for {name}"
        raise RolloutError(msg)
    keep = fraction.end - fraction.start - missing
    # A dot without a digit is no fraction.
    kept = text[fraction.start : fraction.start + keep] if keep > 1 else ""
    old = text[fraction.start : token.end + after]
    new = f"{kept}{text[fraction.end : token.start]}{name}"
    return _edit(fraction.start, old, new.ljust(len(old)))


def _edit(offset: int, old: str, new: str) -> Edit:
    return Edit(offset, old.encode("latin-1"), new.encode("latin-1"))


def _fraction(text: str, stamp: _Span) -> _Span | None:
    found = _FRACTION.search(text[stamp.start : stamp.end])
    if not found:
        return None
    return _Span(stamp.start + found.start(1), stamp.start + found.end(1))


def _find(text: str, path: Sequence[str]) -> _Span | None:
    """Return where the value at the end of `path` stands in a valid JSON object."""
    at = _skip(text, 0)
    end = at
    for name in path:
        found = [span for key, span in _members(text, at) if key == name]
        if not found:
            return None
        at, end = found[-1].start, found[-1].end
    return _Span(at, end)


def _members(text: str, at: int) -> Iterator[tuple[str, _Span]]:
    if text[at] != "{":
        return
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        start = _skip(text, _skip(text, at) + 1)
        _, end = _DECODER.raw_decode(text, start)
        yield key, _Span(start, end)
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at


def _record(line: bytes) -> dict[str, object]:
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _value(record: object, path: Sequence[str]) -> str | None:
    for name in path:
        record = record.get(name) if isinstance(record, dict) else None
    return record if isinstance(record, str) else None


def _parent(source: object) -> str:
    """Return the parent of a sub-agent's thread: `{"subagent": {"thread_spawn": {"parent_thread_id": …}}}`."""
    parent = _value(source, ("subagent", "thread_spawn", "parent_thread_id"))
    is_sub_agent = isinstance(source, dict) and "subagent" in source
    return parent or ("unknown" if is_sub_agent else "")
