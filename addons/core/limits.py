"""Every limit of the data plane in one frozen value. Seconds and bytes; defaults are the documented ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a turn. Field names are the setting names; each unit is in the name."""

    connect_seconds: float = 10.0
    """TCP connect and TLS handshake of one attempt, together."""
    heartbeat_seconds: float = 15.0
    """Silence of the upstream after which the client gets a data event that it ignores."""
    stall_seconds: float = 300.0
    """Silence of the upstream after which the turn fails, before or after its headers."""
    linger_seconds: float = 2.0
    """Time an upstream has to end its body once its terminal event was seen."""
    drain_seconds: float = 10.0
    """Time running turns have to finish at shutdown."""
    body_bytes: int = 64 * MIB
    """Largest request body, as received and as decoded."""
    head_bytes: int = 64 * KIB
    """Largest request or response head."""
    error_body_bytes: int = 1 * MIB
    """Largest upstream answer that is collected to be explained."""
    event_bytes: int = 16 * MIB
    """Largest single SSE event that is looked into."""
    queue_bytes: int = 256 * KIB
    """What a synthetic origin may have under way before it has to wait for the client."""


ENV_PREFIX = "CODEX_SHIM_"


def limits_from(
    values: Mapping[str, object], env: Mapping[str, str]
) -> tuple[Limits, tuple[str, ...]]:
    """Build the limits from the `limits` object of models.json; CODEX_SHIM_<NAME> in `env` wins.

    Gives what is wrong as plain sentences; a wrong value leaves its default in force.
    """
    known: dict[str, float | int] = {}
    problems = [f"limits.{name}: no such limit" for name in values.keys() - _NAMES]
    for field in fields(Limits):
        variable = ENV_PREFIX + field.name.upper()
        where, value = f"limits.{field.name}", values.get(field.name)
        if variable in env:
            where, value = variable, env[variable]
        if value is None:
            continue
        if (number := _positive(value)) is None:
            problems.append(f"{where}: {value!r} is not a number above 0")
        else:
            known[field.name] = number if field.name.endswith("_seconds") else int(number)
    return Limits(**known), tuple(problems)  # type: ignore[arg-type]


_NAMES = frozenset(field.name for field in fields(Limits))


def _positive(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 < number < float("inf") else None
