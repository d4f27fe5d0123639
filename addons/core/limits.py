"""Every limit of the data plane in one frozen value, in seconds and bytes, with its documented default.

Invariant: a value that cannot be used leaves the previous one in force and is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

KIB = 1024
MIB = 1024 * KIB
SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits. A field name is the name of the setting, with its unit."""

    head_seconds: float = 10.0
    """Time for a client to finish the head of a request that it has begun."""
    body_seconds: float = 120.0
    """Time for a client to send the whole body of a request, counted from its head."""
    connect_seconds: float = 10.0
    """TCP connect and TLS handshake of one attempt, together."""
    heartbeat_seconds: float = 15.0
    """Silence of the upstream after which the client receives a heartbeat event, which it ignores."""
    stall_seconds: float = 300.0
    """Silence of the upstream after which the turn fails, before or after its headers."""
    answer_seconds: float = 300.0
    """Time without an event of the answer after which the turn fails. Comments, heartbeats and events without content are none.

    A larger `stall_seconds` raises it, unless it is set."""
    load_seconds: float = 180.0
    """Time for a model server on this machine to start, or to load its model, before the turn fails."""
    search_seconds: float = 30.0
    """Time for a search service, or for the server of a web page, to answer one request of `web.run`."""
    unread_seconds: float = 300.0
    """Time for a client to accept a part of an answer that waits for it, after which the turn ends (HTTP/1)."""
    linger_seconds: float = 2.0
    """Time for an upstream to end its body after its terminal event."""
    pool_idle_seconds: float = 60.0
    """Time that an idle upstream connection stays open for the next turn. 0: each turn gets a new connection."""
    drain_seconds: float = 10.0
    """Time for running turns to finish at shutdown."""
    body_bytes: int = 64 * MIB
    """Largest request body, as received and as decoded."""
    head_bytes: int = 64 * KIB
    """Largest request or response head."""
    error_body_bytes: int = 1 * MIB
    """Largest upstream error body that is read."""
    event_bytes: int = 16 * MIB
    """Largest single SSE event that is parsed."""
    queue_bytes: int = 256 * KIB
    """Bytes that a local source may queue before it waits for the client."""
    history_bytes: int = 128 * MIB
    """What the WebSockets of all clients remember together. The one that was not used for longest forgets first."""
    client_connections: int = 400
    """How many clients may be connected. When there is one more, the longest idle one is disconnected."""


_DEFAULTS = Limits()
NAMES = tuple(field.name for field in fields(Limits))
FORMER_NAMES = {"spare_seconds": "pool_idle_seconds"}
"""Names of limits in earlier versions, still read."""
MAY_BE_ZERO = frozenset({"pool_idle_seconds"})
"""Limits whose value 0 switches something off."""
ENV_PREFIX = "CODEX_SHIM_"
"""Prefix of the environment variable of a limit, before its name in capitals."""


@dataclass(frozen=True, slots=True)
class WrongLimit:
    """One value that cannot be used. `variable` is empty when the value is in models.json."""

    field: str
    variable: str
    reason: str


def limits_from(
    values: Mapping[str, object], env: Mapping[str, str], before: Limits = _DEFAULTS
) -> tuple[Limits, tuple[WrongLimit, ...]]:
    """Build the limits from the `limits` object of models.json; CODEX_SHIM_<NAME> in `env` wins.

    An unusable value leaves the limit of `before` in force.
    """
    values = _renamed(values, lambda name: name)
    env = _renamed(env, lambda name: ENV_PREFIX + name.upper())
    known: dict[str, float | int] = {}
    wrong = [WrongLimit(name, "", "no such limit") for name in sorted(values.keys() - set(NAMES))]
    for name in NAMES:
        variable = ENV_PREFIX + name.upper()
        from_env = variable in env
        value = env[variable] if from_env else values.get(name)
        if value is None:
            continue
        number = _number(name, value)
        if number is None:
            bound = "of at least 0" if name in MAY_BE_ZERO else "above 0"
            reason = f"{shown(value)} is not a number {bound}"
            wrong.append(WrongLimit(name, variable if from_env else "", reason))
            number = getattr(before, name)
        known[name] = number
    if "answer_seconds" not in known:
        # who allows a longer silence waits for a slow model, and for its first event as well
        longest = known.get("stall_seconds", 0)
        known["answer_seconds"] = max(_DEFAULTS.answer_seconds, longest)
    return Limits(**known), tuple(wrong)  # type: ignore[arg-type]


def _renamed[Value](
    values: Mapping[str, Value], spelling: Callable[[str], str]
) -> Mapping[str, Value]:
    """Return the values under current names. A value under a current name wins over one under its former name."""
    former = {spelling(old): spelling(new) for old, new in FORMER_NAMES.items()}
    if not former.keys() & values.keys():
        return values
    moved = {former[name]: value for name, value in values.items() if name in former}
    kept = {name: value for name, value in values.items() if name not in former}
    return {**moved, **kept}


def _number(name: str, value: object) -> float | int | None:
    """Return the usable number of a value, or None. Seconds may be fractions; bytes and counts are integers."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
        usable = number if name.endswith("_seconds") else int(number)
    except (ValueError, OverflowError):
        return None
    if number == 0 and name in MAY_BE_ZERO:
        return usable
    return usable if 0 < number < float("inf") and usable else None


def shown(value: object) -> str:
    """Return a value of the user for a message: quoted, and cut when it is long."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
