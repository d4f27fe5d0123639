"""What is true of one model at one upstream beyond its profile: observed in its answers or learnt from its refusals.

A trait has a name and a value. The name is a field of `Profile`, one of `TARGET_TRAITS`, or `omit:` and the path of a
field that is not sent. `adapted` applies the traits to a target, and translators know nothing but the target. Never
reads a file or a clock. Invariants: what a row asks for by name wins over what was learnt, which wins over what was
observed, which wins over the profile; without traits, `adapted` returns the same object.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal, Protocol, Self, get_args, get_origin, get_type_hints

from addons.core.upstream.profile import Profile
from addons.core.upstream.target import Target

OMIT = "omit:"
MAX_TRAITS = 60
"""Traits that one model may have. A model with more is refused for another reason."""
MAX_REFUSED_ITEMS = 500
TARGET_TRAITS: Mapping[str, type] = {
    "images": bool,
    "files": bool,
    "hosted_tools": bool,
    "own_items": bool,
    "max_output_tokens": int,
    "auth": str,
    "protocol": str,
}
"""Traits that are no field of the profile: images, files, hosted tools and undocumented items accepted, output limit, header of the key, required protocol."""

TraitValue = bool | int | str | Mapping[str, str]


class Source(StrEnum):
    """How a trait became known."""

    OBSERVED = "observed"
    LEARNT = "learnt"


@dataclass(frozen=True, slots=True)
class Trait:
    """One fact about a model at an upstream."""

    name: str
    value: TraitValue
    source: Source = Source.LEARNT
    refusal_text: str = ""
    """The beginning of the refusal, masked, for a learnt trait."""
    since: float = 0.0
    """Unix seconds; the store sets it."""

    @property
    def is_valid(self) -> bool:
        """Whether this version knows the name and the value. A stored trait may come from another version."""
        if self.name.startswith(OMIT):
            return self.value is True and len(self.name) > len(OMIT)
        if (kind := TARGET_TRAITS.get(self.name)) is not None:
            return type(self.value) is kind
        return self.name in _PROFILE_VALUES and _PROFILE_VALUES[self.name](self.value)

    @property
    def description(self) -> str:
        """The trait in words, for the user."""
        if self.name.startswith(OMIT):
            return f"`{self.name.removeprefix(OMIT)}` is not sent"
        name = self.name.replace("_", " ")
        if isinstance(self.value, bool):
            return f"{name}: {'yes' if self.value else 'no'}"
        if isinstance(self.value, Mapping):
            return f"{name}: {', '.join(dict.fromkeys(self.value.values()))}"
        return f"{name}: {self.value}"


@dataclass(frozen=True, slots=True)
class Traits:
    """All traits of one model. Immutable: a turn uses the value of its start."""

    entries: Mapping[str, Trait]
    refused_items: tuple[str, ...] = ()
    """Digests of pictures and reasoning that the upstream refused, in order of refusal. None of them is sent again."""

    @classmethod
    def of(cls, traits: Iterable[Trait], refused_items: Iterable[str] = ()) -> Self:
        """Return the traits; of two with one name, a learnt one wins over an observed one, else the later."""
        entries: dict[str, Trait] = {}
        for trait in traits:
            known = entries.get(trait.name)
            if not known or trait.source is Source.LEARNT or known.source is Source.OBSERVED:
                entries[trait.name] = trait
        return cls(entries, tuple(dict.fromkeys(refused_items)))

    def extended(self, traits: Iterable[Trait], refused_items: Iterable[str] = ()) -> Traits:
        """Return these traits and more."""
        items = (*self.refused_items, *refused_items)
        return Traits.of((*self.entries.values(), *traits), items)

    def value(self, name: str) -> TraitValue | None:
        """Return the value of a trait, or None."""
        trait = self.entries.get(name)
        return trait.value if trait else None


NO_TRAITS = Traits({})


class TraitsStore(Protocol):
    """Keeps the traits of all models. Never waits for a disk."""

    def current(self, scope: str) -> Traits:
        """Return the traits of a model; the same object while nothing changed. `scope` is `Target.traits_scope`."""

    def learn(self, scope: str, traits: Collection[Trait], refused_items: Collection[str]) -> None:
        """Keep traits that were observed, or that made a refused request succeed."""


class MemoryTraits:
    """A store without a file."""

    def __init__(self) -> None:
        self._traits: dict[str, Traits] = {}

    def current(self, scope: str) -> Traits:
        """Return the traits of a model."""
        return self._traits.get(scope, NO_TRAITS)

    def learn(self, scope: str, traits: Collection[Trait], refused_items: Collection[str]) -> None:
        """Keep traits."""
        self._traits[scope] = self.current(scope).extended(traits, refused_items)


def adapted(target: Target, traits: Traits) -> Target:
    """Return the target with its traits applied, except those that contradict the row."""
    used = [
        trait
        for trait in traits.entries.values()
        if trait.is_valid and not row_field_against(target, trait)
    ]
    if not used:
        return target
    changes: dict[str, Any] = {t.name: t.value for t in used if t.name in _PROFILE_VALUES}
    profile = replace(target.profile, **changes) if changes else target.profile
    omitted = tuple(sorted(t.name.removeprefix(OMIT) for t in used if t.name.startswith(OMIT)))
    known = {trait.name: trait.value for trait in used}
    return replace(
        target,
        profile=profile,
        omitted=omitted,
        images=target.images and known.get("images") is not False,
        files=target.files and known.get("files") is not False,
        hosted_tools=target.hosted_tools and known.get("hosted_tools") is not False,
        own_items=target.own_items and known.get("own_items") is not False,
        max_output_tokens=_output_limit(target, known.get("max_output_tokens")),
    )


def row_field_against(target: Target, trait: Trait) -> str:
    """Return the field of the row that asks by name for what the trait turns off; empty if there is none."""
    if trait.name.startswith(OMIT):
        path = trait.name.removeprefix(OMIT).split(".")
        if _is_set(target.extra_body, path):
            return f"extra_body_params.{path[0]}"
    return target.row_fields.get(trait.name, "")


def _is_set(extra: Mapping[str, object], path: list[str]) -> bool:
    value: object = extra
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return value is not None


def _output_limit(target: Target, learnt: TraitValue | None) -> int | None:
    limits = [
        limit
        for limit in (target.max_output_tokens, learnt)
        if isinstance(limit, int) and limit > 0
    ]
    return min(limits, default=None)


def _check_of(hint: Any) -> Callable[[object], bool]:
    """Return the check of a profile field's value by its type hint."""
    if get_origin(hint) is Literal:
        return lambda value: value in get_args(hint)
    if hint is bool:
        return lambda value: isinstance(value, bool)
    if hint is int:
        return lambda value: type(value) is int and value >= 0
    if hint is str:
        return lambda value: isinstance(value, str)
    return lambda value: (
        isinstance(value, Mapping)
        and all(isinstance(part, str) for pair in value.items() for part in pair)
    )


_PROFILE_VALUES: Mapping[str, Callable[[object], bool]] = {
    name: _check_of(hint) for name, hint in get_type_hints(Profile).items() if name != "name"
}
