"""Every limit of the data plane in one frozen value. Seconds and bytes; defaults are the documented ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

KIB = 1024
MIB = 1024 * KIB
SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a turn. Field names are the setting names; each unit is in the name."""

    head_seconds: float = 10.0
    """Time a client has to finish the head of a request that it has begun."""
    connect_seconds: float = 10.0
    """TCP connect and TLS handshake of one attempt, together."""
    heartbeat_seconds: float = 15.0
    """Silence of the upstream after which the client gets a data event that it ignores."""
    stall_seconds: float = 300.0
    """Silence of the upstream after which the turn fails, before or after its headers."""
    linger_seconds: float = 2.0
    """Time an upstream has to end its body once its terminal event was seen."""
    spare_seconds: float = 60.0
    """Time an idle upstream connection waits for the next client."""
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
    client_connections: int = 400
    """How many clients may be connected. One more, and the one that has been idle longest is hung up on."""


_DEFAULTS = Limits()
_NAMES = tuple(field.name for field in fields(Limits))
ENV_PREFIX = "CODEX_SHIM_"
"""Before the name of a limit in capitals: the environment variable that sets it."""


@dataclass(frozen=True, slots=True)
class WrongLimit:
    """One value that cannot be used. `variable` is empty when models.json holds it."""

    field: str
    variable: str
    reason: str


def limits_from(
    values: Mapping[str, object], env: Mapping[str, str], before: Limits = _DEFAULTS
) -> tuple[Limits, tuple[WrongLimit, ...]]:
    """Build the limits from the `limits` object of models.json; CODEX_SHIM_<NAME> in `env` wins.

    A wrong value leaves in force what was in force before.
    """
    known: dict[str, float | int] = {}
    wrong = [WrongLimit(name, "", "no such limit") for name in sorted(values.keys() - set(_NAMES))]
    for name in _NAMES:
        variable = ENV_PREFIX + name.upper()
        from_env = variable in env
        value = env[variable] if from_env else values.get(name)
        if value is None:
            continue
        number = _number(name, value)
        if number is None:
            reason = f"{shown(value)} is not a number above 0"
            wrong.append(WrongLimit(name, variable if from_env else "", reason))
            number = getattr(before, name)
        known[name] = number
    return Limits(**known), tuple(wrong)  # type: ignore[arg-type]


def _number(name: str, value: object) -> float | int | None:
    """Seconds may be broken numbers, bytes are whole ones."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
        usable = number if name.endswith("_seconds") else int(number)
    except (ValueError, OverflowError):
        return None
    return usable if 0 < number < float("inf") and usable else None


def shown(value: object) -> str:
    """A value of the user's, for a message: quoted, and cut when it is long."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
