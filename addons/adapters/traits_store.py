"""The traits of all models, in one file of the state folder, shared by every process of the shim.

A turn reads memory only. What is learnt is written by a thread of its own, under a lock and on top of what the file
then holds, so that two processes lose nothing. Never does: wait for a disk on the request path, keep a secret (refusal texts
arrive masked). Invariant: the file stays within its bounds; a learnt trait is tried again after `STALE_SECONDS`; a file
that cannot be read or written changes no turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import orjson

from addons.adapters.system.file_lock import LockedError, locked
from addons.adapters.system.files import CachedFile, FileAccessError, write_atomic
from addons.adapters.system.paths import Env, state_dir
from addons.core.json_values import as_object
from addons.core.upstream.traits import (
    MAX_REFUSED_ITEMS,
    MAX_TRAITS,
    NO_TRAITS,
    Source,
    Trait,
    Traits,
)

STALE_SECONDS = 14 * 86_400.0
"""A learnt trait is not applied for longer: upstreams change. If it still holds, one refusal teaches it again."""
MAX_MODELS = 200
MAX_FILE_BYTES = 4 * 1024 * 1024
VERSION = 1

Scopes = Mapping[str, Traits]


@dataclass(frozen=True, slots=True)
class _Lesson:
    """One thing to write."""

    scope: str
    traits: tuple[Trait, ...]
    refused_items: tuple[str, ...]


def traits_file(env: Env) -> Path:
    """Return the path of the file."""
    return state_dir(env) / "traits.json"


class FileTraits:
    """A `TraitsStore` with a file."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._file = CachedFile(path)
        self._clock = clock
        self._seen: bytes | None = None
        self._expires = 0.0
        """When the first trait becomes stale, in Unix seconds."""
        self._scopes: Scopes = {}
        self._unwritten: list[_Lesson] = []
        self._writer: ThreadPoolExecutor | None = None
        self._written: Future[None] | None = None
        self.refresh()

    def current(self, scope: str) -> Traits:
        """Return the traits of a model; the same object while nothing changed."""
        return self._scopes.get(scope, NO_TRAITS)

    @property
    def path(self) -> Path:
        """The path of the file, which may not exist."""
        return self._file.path

    @property
    def scopes(self) -> Scopes:
        """All that is known. A new object after each change."""
        return self._scopes

    def learn(self, scope: str, traits: Collection[Trait], refused_items: Collection[str]) -> None:
        """Keep traits, in memory at once and in the file soon."""
        now = self._clock()
        lesson = _Lesson(
            scope, tuple(replace(one, since=now) for one in traits), tuple(refused_items)
        )
        self._scopes = _with(self._scopes, lesson)
        self._unwritten.append(lesson)
        self._writer = self._writer or ThreadPoolExecutor(1, "codex-shim-traits")
        self._written = self._writer.submit(self._write)

    def refresh(self) -> None:
        """Read the file again if it changed: another process learnt something, or the user forgot it. Costs one stat."""
        try:
            data = self._file.read()
        except FileAccessError:
            return
        now = self._clock()
        if data != self._seen or now >= self._expires:
            self._seen = data
            self._scopes = self._with_unwritten(parse_traits(data, now))
            self._expires = _first_expiry(self._scopes)

    def forget(self, scopes: Collection[str]) -> None:
        """Drop all that is known of these models. Raises FileAccessError or LockedError."""
        self._change(lambda known: {key: one for key, one in known.items() if key not in scopes})

    def flush(self) -> None:
        """Wait until everything is written. Not for the request path."""
        if self._written:
            self._written.result()

    def _write(self) -> None:
        lessons = tuple(self._unwritten)

        def taught(known: Scopes) -> Scopes:
            for lesson in lessons:
                known = _with(known, lesson)
            return known

        try:
            self._change(taught)
        except (FileAccessError, LockedError, OSError):
            return  # memory has it; the next lesson tries again
        del self._unwritten[: len(lessons)]

    def _change(self, change: Callable[[Scopes], Scopes]) -> None:
        path = self._file.path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(path.with_name(f"{path.name}.lock")):
            before = parse_traits(CachedFile(path).read(), self._clock())
            write_atomic(path, dump_traits(change(before)))

    def _with_unwritten(self, scopes: Scopes) -> Scopes:
        for lesson in tuple(self._unwritten):
            scopes = _with(scopes, lesson)
        return scopes


def _with(scopes: Scopes, lesson: _Lesson) -> Scopes:
    """Return the scopes with one lesson, which makes its model the latest."""
    known = scopes.get(lesson.scope, NO_TRAITS)
    others = {key: one for key, one in scopes.items() if key != lesson.scope}
    while len(others) >= MAX_MODELS:
        del others[next(iter(others))]
    return {**others, lesson.scope: _bounded(known.extended(lesson.traits, lesson.refused_items))}


def _bounded(traits: Traits) -> Traits:
    kept = sorted(traits.entries.values(), key=lambda one: one.since)[-MAX_TRAITS:]
    return Traits.of(kept, traits.refused_items[-MAX_REFUSED_ITEMS:])


def parse_traits(data: bytes | None, now: float) -> Scopes:
    """Return the content of the file without stale traits and without what this version does not know. Total."""
    if not data or len(data) > MAX_FILE_BYTES:
        return {}
    try:
        file = as_object(orjson.loads(data))
    except orjson.JSONDecodeError:
        return {}
    models = as_object(file.get("models"))
    return {scope: _parsed(as_object(model), now) for scope, model in models.items()}


def _parsed(model: Mapping[str, object], now: float) -> Traits:
    listed, items = model.get("traits"), model.get("refused_items")
    traits = (_trait(as_object(one)) for one in (listed if isinstance(listed, list) else ()))
    fresh = (one for one in traits if one and not is_stale(one, now))
    return Traits.of(fresh, _digests(items))


def is_stale(trait: Trait, now: float) -> bool:
    """Return whether a trait is too old to be believed. What an answer showed does not age."""
    return trait.source is Source.LEARNT and not 0 <= now - trait.since <= STALE_SECONDS


def _first_expiry(scopes: Scopes) -> float:
    learnt = (one for traits in scopes.values() for one in traits.entries.values())
    times = (one.since + STALE_SECONDS for one in learnt if one.source is Source.LEARNT)
    return min(times, default=float("inf"))


def _trait(value: Mapping[str, object]) -> Trait | None:
    match value:
        case {
            "name": str(name),
            "value": bool() | int() | str() | dict() as known,
            "source": "observed" | "learnt" as source,
            "since": int() | float() as since,
            "refusal_text": str(text),
        }:
            trait = Trait(name, known, Source(source), text, float(since))
            return trait if trait.is_valid else None
    return None


def _digests(items: object) -> Iterator[str]:
    for item in items if isinstance(items, list) else ():
        if isinstance(item, str):
            yield item


def dump_traits(scopes: Scopes) -> bytes:
    """Return the content of the file."""
    models = {scope: _plain(traits) for scope, traits in scopes.items()}
    return orjson.dumps({"version": VERSION, "models": models}, option=orjson.OPT_INDENT_2)


def _plain(traits: Traits) -> Mapping[str, Sequence[object]]:
    entries = [
        {
            "name": one.name,
            "value": dict(one.value) if isinstance(one.value, Mapping) else one.value,
            "source": str(one.source),
            "since": one.since,
            "refusal_text": one.refusal_text,
        }
        for one in traits.entries.values()
    ]
    return {"traits": entries, "refused_items": list(traits.refused_items)}
