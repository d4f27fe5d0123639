"""Where traces and metrics of turns are exported to: `traces` of models.json, and OpenTelemetry's own variables.

Source: the OTLP exporter specification of OpenTelemetry. Never does: read a header, which may be a key: the library takes
headers from its own variable. Invariant: total; without an endpoint, or with a wrong one, nothing is exported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from addons.core.limits import shown
from addons.core.secrets import Origin
from addons.core.settings.near_miss import nearest

FIELDS = ("endpoint",)
HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_SIGNAL_ENDPOINT = "OTEL_EXPORTER_OTLP_{}_ENDPOINT"
_SIGNAL_EXPORTER = "OTEL_{}_EXPORTER"
DISABLED = "OTEL_SDK_DISABLED"
PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
HTTP_PROTOCOL = "http/protobuf"

Wrong = Callable[[tuple[str, ...], str], None]
"""Takes the path of a value and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Traces:
    """`traces` of models.json."""

    endpoint: str = ""
    """The base URL of a collector."""


@dataclass(frozen=True, slots=True)
class Export:
    """What is exported to where. An empty URL: nothing."""

    spans_url: str
    metrics_url: str


def traces_from(values: Mapping[str, object], wrong: Wrong) -> Traces | None:
    """Return the settings of an object; None, after a call of `wrong` for each problem, if it has any."""
    problems = {name: _unknown(name) for name in sorted(values.keys() - set(FIELDS))}
    endpoint = values.get("endpoint", "")
    if isinstance(endpoint, str):
        try:
            Origin.of(endpoint)
        except ValueError as error:
            problems["endpoint"] = str(error)
    else:
        problems["endpoint"] = f"{shown(endpoint)} is not a URL"
    for name, reason in problems.items():
        wrong(("traces", name), reason)
    return None if problems else Traces(str(endpoint))


def _unknown(name: str) -> str:
    if name == "headers":
        return f"there is no such setting: put the headers into the variable {HEADERS}"
    near = nearest(name, FIELDS)
    meant = f". Did you mean {near!r}?" if near else f": the only one is {FIELDS[0]}"
    return f"there is no such setting{meant}"


def export_for(traces: Traces, env: Mapping[str, str]) -> Export | None:
    """Return what is exported. None when nothing is. Raise ValueError, with a text for the user, for a wrong variable."""
    if env.get(DISABLED, "").strip().lower() == "true":
        return None
    spans, metrics = (_url(traces, env, signal) for signal in ("TRACES", "METRICS"))
    if not spans and not metrics:
        return None
    protocol = env.get(PROTOCOL, "").strip() or HTTP_PROTOCOL
    if protocol != HTTP_PROTOCOL:
        msg = f"{PROTOCOL}: {shown(protocol)} is not supported, only {HTTP_PROTOCOL}"
        raise ValueError(msg)
    return Export(spans, metrics)


def _url(traces: Traces, env: Mapping[str, str], signal: str) -> str:
    if env.get(_SIGNAL_EXPORTER.format(signal), "").strip().lower() == "none":
        return ""
    path = f"/v1/{signal.lower()}"
    if traces.endpoint:
        return traces.endpoint.rstrip("/") + path
    variable = _SIGNAL_ENDPOINT.format(signal)
    if whole := env.get(variable, "").strip():
        return _checked(variable, whole)
    base = env.get(ENDPOINT, "").strip()
    return _checked(ENDPOINT, base).rstrip("/") + path if base else ""


def _checked(variable: str, url: str) -> str:
    try:
        Origin.of(url)
    except ValueError as error:
        msg = f"{variable}: {error}"
        raise ValueError(msg) from None
    return url
