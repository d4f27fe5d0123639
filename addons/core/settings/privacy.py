"""`privacy` of models.json: which private values no upstream gets, and the patterns of the user's own ones.

Never quotes a pattern in a problem but its name. Invariant: total; a section with a problem is never taken for one that is
off.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from addons.core.limits import shown
from addons.core.masking.user_pattern import compile_pattern
from addons.core.settings.near_miss import nearest

SETS = ("keys", "tokens", "emails", "phones", "cards")
"""The kinds of values that are found without a pattern. Each can be switched off."""
PATTERNS = "patterns"
FIELDS = (*SETS, PATTERNS)
MAX_NAME = 11
"""Characters of the name of a pattern."""
NAME = re.compile(rf"[a-z][a-z0-9]{{0,{MAX_NAME - 1}}}")
TAKEN = frozenset({"key", "token", "email", "phone", "card", "text"})
"""Names of kinds that placeholders have without a user's pattern."""
MAX_PATTERNS = 50

Wrong = Callable[[tuple[str, ...], str], None]
"""Takes the path of a value and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Privacy:
    """What the privacy gate does."""

    is_on: bool = False
    sets: tuple[str, ...] = SETS
    patterns: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    """The name of a user's pattern → the pattern."""
    is_broken: bool = False
    """Whether the section has a problem and no valid state before it: no turn may be sent."""

    @property
    def shown(self) -> str:
        """The names of what is replaced, for people."""
        return ", ".join((*self.sets, *self.patterns)) or "nothing: every set is switched off"


OFF, ON = Privacy(), Privacy(is_on=True)
BROKEN = Privacy(is_on=True, is_broken=True)


def in_force(settings: Privacy, *, always: bool) -> Privacy:
    """Return what the gate does. `always`: it was switched on in another way, whatever the file says."""
    return ON if always and not settings.is_on else settings


def privacy_from(value: object, wrong: Wrong) -> Privacy | None:
    """Return the settings of a section; None, after a call of `wrong` for each problem, if it has any."""
    if value is None:
        return OFF
    if isinstance(value, bool):
        return ON if value else OFF
    if not isinstance(value, dict):
        wrong(("privacy",), f"{shown(value)} is neither true, false nor an object")
        return None
    problems: list[tuple[tuple[str, ...], str]] = [
        (("privacy", name), _unknown(name)) for name in value if name not in FIELDS
    ]
    problems += [
        (("privacy", name), f"{shown(value[name])} is neither true nor false")
        for name in SETS
        if not isinstance(value.get(name, True), bool)
    ]
    patterns = _patterns(value.get(PATTERNS, {}), problems)
    for path, reason in problems:
        wrong(path, reason)
    sets = tuple(name for name in SETS if value.get(name, True))
    return None if problems else Privacy(is_on=True, sets=sets, patterns=patterns)


def _unknown(name: str) -> str:
    near = nearest(name, FIELDS)
    meant = f". Did you mean {near!r}?" if near else f". The settings are {', '.join(FIELDS)}"
    return f"there is no such setting{meant}"


def _patterns(
    values: object, problems: list[tuple[tuple[str, ...], str]]
) -> dict[str, re.Pattern[str]]:
    path = ("privacy", PATTERNS)
    if not isinstance(values, dict):
        problems.append((path, "not an object of names and patterns"))
        return {}
    if len(values) > MAX_PATTERNS:
        problems.append((path, f"more than {MAX_PATTERNS} patterns"))
        return {}
    found: dict[str, re.Pattern[str]] = {}
    for name, pattern in values.items():
        try:
            found[name] = _pattern(name, pattern)
        except ValueError as error:
            problems.append(((*path, name), str(error)))
    return found


def _pattern(name: str, pattern: object) -> re.Pattern[str]:
    if NAME.fullmatch(name) is None:
        msg = (
            f"a name is a letter and at most {MAX_NAME - 1} more letters and digits, in lower case"
        )
        raise ValueError(msg)
    if name in TAKEN:
        msg = "this name is taken by a set of codex-shim's own"
        raise ValueError(msg)
    if isinstance(pattern, str):
        return compile_pattern(pattern)
    msg = "it is not a regular expression in quotes"
    raise ValueError(msg)
